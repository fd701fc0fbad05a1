"""The fixed formats: tokens whose shape alone says what they are, in one compiled alternation.

Each format is a literal beginning and one run of characters, open at its end, so that a token is taken whole.
Only the last run of a format is unbounded: what can fail is bounded, and the search stays linear.
"""

# ruff: noqa: E501 -- one pattern a line reads better than a wrapped one.
import re
from collections.abc import Iterator
from typing import Final

from bot.domain.redaction.finding import Finding, Layer
from bot.domain.redaction.view import View

_UUID: Final = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"

_FORMATS: Final[tuple[tuple[str, str], ...]] = (
    ("aws_key", r"A(?:KIA|SIA|BIA|CCA|3T[A-Z0-9])[A-Z0-9]{12,}"),
    ("aws_key", r"ABSK[A-Za-z0-9+/]{60,}={0,2}|bedrock-api-key-[A-Za-z0-9+/=]{20,}"),
    ("aws_key", r"amzn\.mws\.[0-9a-f-]{30,}|amzn1\.oa2-cs\.v1\.[0-9a-f]{32,}"),
    ("github_token", r"gh[pousr]_[A-Za-z0-9_]{16,}|github_pat_\w{20,}|v1\.[0-9a-f]{40}"),
    ("gitlab_token", r"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|soat|imt|agent|oas|ffct|wt)-[\w.=-]{16,}|GR1348941[\w-]{16,}"),
    ("slack_token", r"xox[a-z](?:\.xox[a-z])?-[\w-]{10,}|xapp-[\w-]{10,}|xwfp-[\w-]{10,}"),
    ("webhook", r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[\w/+-]{12,}"),
    ("webhook", r"(?:ptb\.|canary\.)?discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/\d{5,24}/[\w-]{20,}"),
    ("webhook", r"hooks\.zapier\.com/hooks/catch/[\w/]{8,}"),
    ("webhook", r"alert\.victorops\.com/integrations/[\w/$.-]{16,}|events\.pagerduty\.com/integration/\w{16,}"),
    ("webhook", r"hc-ping\.com/[\w-]{16,}|nosnch\.in/\w{8,}|uptime\.better(?:stack|uptime)\.com/api/v1/[\w/]{16,}"),
    ("webhook", r"(?:outlook|prod-\d{1,3}\.\w{1,30}\.logic\.azure)\.com(?::443)?/(?:webhook|workflows)/[\w@/?=&.%-]{16,}"),
    ("webhook", r"oapi\.dingtalk\.com/robot/send\?access_token=\w{16,}|open\.feishu\.cn/open-apis/bot/v2/hook/[\w-]{16,}"),
    ("webhook", r"qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key=[\w-]{16,}|maker\.ifttt\.com/[\w/]{8,80}/key/[\w-]{8,}"),
    ("stripe_key", r"(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{20,}={0,2}"),
    ("anthropic_key", r"sk-ant-[\w-]{16,}"),
    ("openai_key", r"sk-(?:proj|svcacct|admin|service|None|or-v1|lf|kp)-[\w-]{16,}|sk-[A-Za-z0-9]{20,}|sk_[0-9a-f]{40,}"),
    ("ai_key", r"gsk_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9]{30,}|pplx-[A-Za-z0-9]{30,}|csk-[a-z0-9]{30,}|tgp_v1_[\w-]{20,}"),
    ("ai_key", r"hf_[A-Za-z0-9]{20,}|api_org_[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{20,}|nvapi-[\w-]{30,}|tvly-[\w-]{16,}"),
    ("ai_key", r"lsv2_(?:pt|sk)_[0-9a-f_]{32,}|pcsk_\w{20,}|jina_\w{20,}|fw_[A-Za-z0-9]{20,}|flp_[A-Za-z0-9]{20,}|rpa_[A-Z0-9]{30,}"),
    ("google_key", r"AIza[\w-]{30,}|ya29\.[\w.-]{16,}|GOCSPX-[\w-]{16,}|1//0[\w-]{20,}|GOOG[A-Z0-9]{16,}|AAAA[\w-]{7}:[\w-]{80,}"),
    ("azure_key", r"AccountKey=[A-Za-z0-9+/]{20,}={0,2}|SharedAccessKey=[A-Za-z0-9+/]{20,}={0,2}"),
    ("npm_token", r"npm_[A-Za-z0-9]{20,}|NpmToken\.[0-9a-f-]{30,}"),
    ("pypi_token", r"pypi-[\w-]{30,}"),
    ("registry_token", r"rubygems_[0-9a-f]{24,}|CLOJARS_[0-9a-f]{40,}|oy2[a-z0-9]{43}|cio[A-Za-z0-9]{32}|tss_[A-Za-z0-9]{30,}|ovsxp_[\w-]{30,}"),
    ("docker_token", r"dckr_(?:pat|oat)_[\w-]{16,}|dckrp_[\w-]{16,}"),
    ("cloud_token", r"do[opr]_v1_[0-9a-f]{24,}|HRKU-[\w-]{20,}|fo1_[\w-]{16,}|fm2_[\w+/=]{30,}|fm[12][ar]?_[\w+/=-]{30,}"),
    ("cloud_token", r"vc[piakr]_[A-Za-z0-9]{20,}|vercel_blob_rw_\w{16,}|nf[pcoub]_[A-Za-z0-9]{20,}|rnd_[A-Za-z0-9]{20,}|ddp_[A-Za-z0-9]{30,}"),
    ("cloud_token", r"LTAI[A-Za-z0-9]{12,}|AKID[A-Za-z0-9]{20,}|AKLT[\w-]{30,}|AQVN[\w-]{30,}|t1\.[A-Z0-9a-z_-]{10,400}\.[\w-]{40,}=*|YC[\w-]{38}"),
    ("cloud_token", r"tk-us-[\w-]{30,}|SCW[A-Z0-9]{17}|ops_eyJ[\w+/=]{40,}|A3-[A-Z0-9]{6}-[A-Z0-9-]{20,}|v1\.0-[0-9a-f]{16,64}-[0-9a-f]{64,}"),
    ("cloud_token", r"cf(?:ut|at|k)_[A-Za-z0-9]{30,}|tskey-[a-z]{2,12}-[\w-]{10,}|dnkey-[\w=-]{26,}|napi_[a-z0-9]{30,}|upstash_\w{20,}"),
    ("database_token", r"sbp_(?:oauth_)?[0-9a-f]{24,}|sb_(?:secret|publishable)_[\w-]{16,}|pscale_(?:tkn|pw|oauth|pass)_[\w.=-]{16,}"),
    ("database_token", r"dapi[0-9a-f]{32}(?:-\d)?|dose[0-9a-f]{32}|dkea[0-9a-f]{32}|AVNS_[\w-]{16,}|mdb_sa_sk_[\w-]{20,}|4b1d[A-Za-z0-9]{38}|cflt[\w/+]{40,}"),
    ("monitoring_key", r"NRAK-[A-Z0-9]{16,}|NR(?:JS|II|RA|AL)-[\w-]{16,}|NRAA-[\w-]{16,}|NRI[IQ]-[\w-]{20,}"),
    ("monitoring_key", r"sntry[sua]_[\w+/=.-]{20,}|gl(?:sa|c)_[\w+/=]{16,}|eyJrIjoi[\w+/=]{16,}|dt0[a-z]\d{2}\.[A-Z0-9]{20,28}\.[A-Z0-9]{24,}"),
    ("monitoring_key", r"ph[cxs]_[A-Za-z0-9]{30,}|pylf_v\d_\w{20,}|(?:api|sdk|mob)-" + _UUID + r"|ddapp_[A-Za-z0-9]{20,}|lsk_[\w-]{20,}|hc[a-z]{1,2}[ilk]k_\w{30,}"),
    ("pagerduty_key", r"u\+[\w-]{16,20}|pdu[su]\+[\w-]{16,}"),
    ("mail_key", r"SG\.[\w-]{10,64}\.[\w-]{10,}|key-[0-9a-f]{32}|[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}"),
    ("mail_key", r"xkeysib-[0-9a-f-]{30,}\w{0,40}|xsmtpsib-[0-9a-f-]{30,}\w{0,40}|re_[A-Za-z0-9]{8,}_[A-Za-z0-9]{16,}|mlsn\.[0-9a-f]{40,}"),
    ("twilio_key", r"(?:SK|AC)[0-9a-f]{32}"),
    ("chat_token", r"(?:bot)?\d{6,12}:AA[\w-]{30,}|[MNO][\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}|T3BlbkFJ\w{16,}"),
    ("shop_key", r"shp(?:at|ca|pa|ss|ua|tka|lt)_[A-Za-z0-9]{20,}|sq0[a-z]{3}-[\w-]{20,}|EAAA[\w-]{50,}|EAA[A-Z][A-Za-z0-9]{40,}|ATTA[A-Za-z0-9]{50,}"),
    ("payment_key", r"access_token\$(?:production|sandbox)\$\w{8,32}\$[0-9a-f]{24,}|rzp_(?:live|test)_[A-Za-z0-9]{12,}|FLW(?:PUB|SEC)K(?:_TEST)?-\w{16,}(?:-X)?"),
    ("payment_key", r"access-(?:sandbox|development|production)-[0-9a-f-]{30,}|EZ[AT]K[A-Za-z0-9]{40,}|shippo_(?:live|test)_\w{20,}|(?:live|test)_(?:pub_)?[0-9a-f]{35,}"),
    ("payment_key", r"duffel_(?:live|test)_[\w=-]{30,}|A21AA[\w-]{60,}|sm_(?:aat|pat|sat)_[A-Za-z0-9]{16,}|polar_[a-z]{2,6}_\w{20,}"),
    ("saas_token", r"lin_(?:api|oauth)_[A-Za-z0-9]{20,}|secret_[A-Za-z0-9]{40,}|ntn_[A-Za-z0-9]{30,}|A(?:TATT3|TCTT3|TSTT3|TOATT|TBB)[\w=-]{24,}"),
    ("saas_token", r"PMA[KT]-[0-9a-zA-Z-]{24,}|fig[dopur]+_[\w-]{30,}|pat[A-Za-z0-9]{14}\.[0-9a-f]{40,}|CFPAT-[\w-]{30,}|tfp_[\w.=-]{30,}|rdme_[a-z0-9]{40,}"),
    ("saas_token", r"pat-(?:na|eu|ap|au)\d-[0-9a-fA-F-]{30,}|fio-u-[\w=-]{40,}|sl\.(?:u\.)?[\w-]{60,}|[ps]k\.eyJ[\w-]{20,}\.[\w-]{16,}"),
    ("saas_token", r"[01]/\d{16}:[0-9a-f]{32}|2/\d{10,20}/\d{10,20}:[0-9a-f]{32}|aio_[A-Za-z0-9]{24,}|b_[A-Za-z0-9=_-]{44}|waka_[\w-]{30,}|sec-c-[\w-]{30,}"),
    ("saas_token", r"ico-[A-Za-z0-9]{32}|s-s4t2(?:ud|af)-[0-9a-f]{40,}|pina_[A-Za-z0-9]{24,}|00[A-Za-z0-9][\w-]{39}(?![\w-])|r_[0-9a-f]{40,}|pk_\d{5,12}_[A-Z0-9]{28,}"),
    ("monitoring_key", r"fhb-[0-9a-f]{32}|st\.[0-9a-f]{24}\.[0-9a-f]{32}\.[0-9a-f]{32}"),
    ("ci_token", r"bk(?:ua|ct|at|ps|aj)_[\w.-]{30,}|CCIP(?:AT|RJ)_[\w.-]{20,}|pul-[0-9a-f]{32,}|pn[ubt]_[A-Za-z0-9]{30,}|sq[upa]_[0-9a-f]{30,}"),
    ("ci_token", r"sg[pd]_(?:[0-9a-zA-Z]{1,32}_)?[0-9a-f]{30,}|slk_[0-9a-f]{60,}|AKCp[A-Za-z0-9]{50,}|cmVmdGtu[A-Za-z0-9]{30,}|API-[A-Z0-9]{25,}"),
    ("ci_token", r"(?:pat|sat)\.[\w-]{20,24}\.[0-9a-f]{20,28}\.[A-Za-z0-9]{18,}|nxs_\w{30,}|ccp_[A-Za-z0-9]{30,}|snyk_\w{20,}|mka_[\w-]{30,}"),
    ("vault_token", r"hv[sbr]\.[\w-]{16,}|s\.[A-Za-z0-9]{24}(?![A-Za-z0-9])|b\.AAAA[\w+/=-]{60,}"),
    ("vault_token", r"dp\.(?:pt|st|ct|sa|scim|audit|said)\.[\w.-]{20,}|AGE-SECRET-KEY-1[0-9A-Za-z]{30,}|sha256~[\w-]{40,}|infisical_\w{20,}"),
    ("jwt", r"ey[JI][A-Za-z0-9_-]{8,1500}\.[A-Za-z0-9_-]{8,}(?:\.[\w-]*){0,3}"),
    ("private_key", r"LS0tLS1CRUdJTi[A-Za-z0-9+/]{16,}={0,2}|(?:MII[A-Za-z0-9+/]{3}|b3BlbnNzaC1rZXktdjE)[A-Za-z0-9+/]{120,}={0,2}"),
    ("password_hash", r"\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|argon2\w{1,2}|scrypt|pbkdf2[\w-]{0,10})\$[\w./,=$+-]{20,}"),
)  # fmt: skip

_OUTER_BAR: Final = re.compile(r"\|(?![^(]*\))")  # Parentheses are never nested above.
_BRANCHES: Final = tuple((kind, branch) for kind, body in _FORMATS for branch in _OUTER_BAR.split(body))


def _by_first_letter() -> str:
    """Return a pattern for any branch that compares a word with those alone that begin as it does.

    Each branch ends in an empty group of its own number; those that begin with no plain letter come last.
    """
    by_letter: dict[str, list[str]] = {}
    for number, (_, branch) in enumerate(_BRANCHES):
        letter = branch[0] if branch[0].isalnum() else ""
        by_letter.setdefault(letter, []).append(f"{branch.removeprefix(letter)}(?P<k{number}>)")
    others = by_letter.pop("")
    return "|".join([*(f"{letter}(?:{'|'.join(rest)})" for letter, rest in by_letter.items()), *others])


# A look ahead first, since most words are too short to be a token. The start is a word's start, where "word" has no underscore: `token_ghp_…` and `"ghp_…` both begin a token.
_VENDOR: Final = re.compile(rf"(?<![A-Za-z0-9])(?=[\w.$~+/:=@?%-]{{14}})(?:{_by_first_letter()})")
# Their marks stand in the middle or at the end, so they are looked for only where the mark is.
_MARKED: Final = (
    (("Q~",), "azure_key", re.compile(r"(?<![\w.~-])[\w.~-]{3}\dQ~[\w.~-]{28,}")),
    (
        (
            "AzCa",
            "+ACR",
            "+AMC",
            "+ASt",
            "+ABa",
            "+AEh",
            "+ARm",
            "ACDb",
            "AzFu",
            "AzSe",
            "AIoT",
            "APIM",
            "AZDO",
        ),
        "azure_key",
        re.compile(
            r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{33,90}"
            r"(?:AzCa|\+ACR|\+AMC|\+ASt|\+ABa|\+AEh|\+ARm|ACDb|AzFu|AzSe|AIoT|APIM|AZDO)[A-Za-z0-9+/]{4,6}={0,2}"
        ),
    ),
    ((".atlasv1.",), "vault_token", re.compile(r"(?<!\w)[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{30,}")),
    (("_mmk",), "saas_token", re.compile(r"(?<!\w)[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk")),
    (("NRAL",), "monitoring_key", re.compile(r"(?<!\w)[0-9a-f]{32,40}NRAL")),
    (("-us",), "mail_key", re.compile(r"(?<!\w)[0-9a-f]{32}-us\d{1,2}")),
    (("FlyV1 ",), "cloud_token", re.compile(r"FlyV1 [\w+/=,-]{16,}")),
    (("SSWS ",), "saas_token", re.compile(r"SSWS [\w-]{16,}")),
    (
        (".webhook.office.com/",),
        "webhook",
        re.compile(r"(?<![\w-])[\w-]{1,40}\.webhook\.office\.com/webhookb2/[\w@/-]{20,}"),
    ),
)
_BY_MARK: Final = tuple((mark, kind, pattern) for marks, kind, pattern in _MARKED for mark in marks)

_BEGIN: Final = re.compile(
    r"-----BEGIN[ ][A-Z0-9 ]{0,40}PRIVATE[ ]KEY(?:[ ]BLOCK)?-{0,5}|-----BEGIN[ ]OpenVPN[^-\n]{0,40}-----"
)
_END: Final = re.compile(r"-----END[ ][A-Za-z0-9 ]{0,40}-----")
# The body of a key that was cut off: lines of base64, with what quotes, indents and joins them.
_BODY: Final = re.compile(
    r"(?:[\s\\\"'+,|>*]{0,80}(?:(?:Proc-Type|DEK-Info|Comment|Version):[^\n\v]{0,200}|[A-Za-z0-9+/]{16,}={0,3}))"
)
_TAIL: Final = re.compile(
    r"[ \t\"'+,|>*]{0,40}[\n\v][\s|>*]{0,40}[A-Za-z0-9+/]{1,80}={0,3}(?=[ \t\"',]{0,8}(?:[\n\v]|$))"
)


def find_formats(view: View) -> Iterator[Finding]:
    """Yield every token of a fixed format in *view*, private keys over several lines among them."""
    text = view.text
    for match in _VENDOR.finditer(text):
        kind, _ = _BRANCHES[int((match.lastgroup or "k0")[1:])]
        yield Finding(match.start(), match.end(), kind, Layer.FORMAT)
    for mark, kind, pattern in _BY_MARK:
        if mark in text:
            for match in pattern.finditer(text):
                yield Finding(match.start(), match.end(), kind, Layer.FORMAT)
    if "-----BEGIN" in text:
        yield from _private_keys(text)


def _private_keys(text: str) -> Iterator[Finding]:
    ends = [match.span() for match in _END.finditer(text)]
    taken = nth = 0
    for begin in _BEGIN.finditer(text):
        if begin.start() < taken:
            continue
        while nth < len(ends) and ends[nth][0] < begin.end():
            nth += 1
        nearby = nth < len(ends) and ends[nth][0] - begin.end() < 20_000
        taken = ends[nth][1] if nearby else _cut_off_end(text, begin.end())
        yield Finding(begin.start(), taken, "private_key", Layer.FORMAT)


def _cut_off_end(text: str, at: int) -> int:
    while line := _BODY.match(text, at):
        at = line.end()
    tail = _TAIL.match(text, at)
    return tail.end() if tail else at


KINDS: Final = frozenset(kind for kind, _ in _FORMATS)
