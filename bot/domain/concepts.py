"""What on-call people mean: families of words that speak of one matter.

The lists are general English of software, operations and trade. Words of one product, company or data set
do not belong here.
"""

from collections.abc import Mapping
from typing import Final


def _split(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_FAMILIES: Final[Mapping[str, frozenset[str]]] = {
    "latency": _split(
        "latency slow slower slowness sluggish delay delayed duration p50 p90 p95 p99 apdex timeout laggy",
        "lagging hang hangs hung stuck wait waiting blocking synchronous sequential performance spinner",
        "spinning forever ages freeze freezes frozen unresponsive slowly lags",
    ),
    "errors": _split(
        "error failure fail exception crash 500 502 503 504 5xx availability unavailable panic traceback",
        "abort segfault crashes crashing",
    ),
    "memory": _split(
        "memory oom oomkilled heap leak rss gc garbage swap ram buffer",
    ),
    "cpu": _split(
        "cpu throttled throttling spin busy load core cores",
    ),
    "disk": _split(
        "disk storage volume inode filesystem space iops mount dump logfile pvc",
    ),
    "network": _split(
        "network connection connect dns socket tcp refused unreachable partition proxy ingress gateway",
        "route cors header nat firewall subnet vpn offline disconnect disconnected reconnect keepalive",
        "websocket mtls resolve resolver hostname ipv6 egress",
    ),
    "tls": _split(
        "tls ssl certificate cert cipher handshake https x509 ca keystore truststore mtls",
    ),
    "auth": _split(
        "auth authentication authorization login logged logout signin oauth oidc sso saml jwt logging",
        "token session cookie password credential forbidden unauthorized identity 401 403 mfa 2fa totp otp",
        "tan factor passkey captcha recaptcha signing samesite jwks ldap kerberos",
    ),
    "permission": _split(
        "permission role scope policy forbidden acl rbac access privilege grant allowed denied visible 403",
        "tenant owner admin unauthorised authorise guard gate",
    ),
    "account": _split(
        "account register registration signup onboarding profile member membership user kyc avatar",
        "identity",
    ),
    "cache": _split(
        "cache cached caching redis memcached ttl evict eviction stale cdn purge expiry outdated yesterday",
        "invalidate invalidation refresh maxmemory lru etag snapshot varnish",
    ),
    "database": _split(
        "database db sql query index migration schema column table deadlock postgres mysql pgbouncer",
        "transaction orm mongodb mongo partition vacuum collation hikari",
    ),
    "queue": _split(
        "queue kafka consumer producer topic backlog lag message broker rabbitmq sqs worker job prefetch",
        "offset partition pubsub stream celery sidekiq ack commit flush batch mqtt",
    ),
    "email": _split(
        "email mail mails smtp newsletter inbox sender relay bounce dkim spf dmarc spam mailer sendgrid",
        "ses campaign unsubscribe starttls",
    ),
    "notification": _split(
        "notification notify notifier push sms text webhook callback subscriber delivery deliver reminder",
        "apns fcm twilio aggregator alarm",
    ),
    "payment": _split(
        "payment pay paid paying card charge charged billing bank invoice receipt checkout refund settle",
        "settlement payout wallet credit debit iban stripe paypal psp authorisation authorization capture",
        "declined decline purchase transfer coin coins",
    ),
    "price": _split(
        "price prices pricing tariff rate rates total totals cost fee surge discount coupon promo tax vat",
        "amount amounts cent cents currency money fx exchange rounding round quote fare interest balance",
        "sum decimal float integer euro dollar multiplier",
    ),
    "subscription": _split(
        "subscription subscriber plan entitlement membership premium trial paywall renewal licence license",
        "meter tier",
    ),
    "cart": _split(
        "cart carts basket baskets checkout bag wishlist order orders item items",
    ),
    "order": _split(
        "order orders ordering reservation booking bookings booked reserve purchase",
    ),
    "shipping": _split(
        "shipping shipment courier parcel parcels tracking address postal zip postcode warehouse stock",
        "inventory express delivery logistics carrier label labels barcode fulfilment dispatch",
    ),
    "catalog": _split(
        "catalog catalogue product products item items listing listings assortment sku shop",
    ),
    "search": _split(
        "search index indexer reindex tokenizer query autocomplete ranking relevance analyzer synonym",
        "facet result results find elasticsearch opensearch solr filter",
    ),
    "recommendation": _split(
        "recommendation recommender recommend recommended suggestion suggest similar personalised",
        "personalized ranking feed",
    ),
    "advertising": _split(
        "ad ads advert advertisement advertisements advertising banner campaign sponsor promo",
    ),
    "image": _split(
        "image images picture pictures photo photos thumbnail thumbnails avatar icon logo jpeg jpg png",
        "webp pixelated blurry resize resolution quality crop media",
    ),
    "video": _split(
        "video videos stream streaming playback player buffering buffer transcode transcoder codec bitrate",
        "rendition segment license licence subtitle subtitles caption audio sound opus hls dash drm",
        "packager live watch watching viewer viewers ffmpeg webrtc turn call calls media resolution",
    ),
    "file": _split(
        "upload uploads uploading download file files attachment attachments attach pdf csv export import",
        "importer multipart bucket blob s3 document documents spreadsheet excel homework submission",
    ),
    "document": _split(
        "pdf document statement statements invoice report template print html html2pdf letter",
    ),
    "report": _split(
        "report reports reporting dashboard chart charts graph analytics statistic statistics kpi metric",
    ),
    "frontend": _split(
        "page button css javascript browser render layout footer header banner form screen ui react",
        "frontend spinner click mobile android ios safari chrome widget modal grey blank",
    ),
    "limits": _split(
        "limit quota pool exhausted saturation ratelimit 429 413 throttle concurrency thread threshold cap",
        "semaphore size maximum max large larger big bigger huge body many",
    ),
    "time": _split(
        "cron cronjob schedule scheduled scheduler nightly midnight timezone utc date datetime dated day",
        "daylight calendar hour early clock dst tz leap 3am tonight ics appointment",
    ),
    "text": _split(
        "unicode utf8 encoding charset locale language translation translate emoji accent accented folding",
        "latin1 umlaut umlauts character characters mojibake collation ascii i18n special question",
    ),
    "parsing": _split(
        "parse parser decode encode json xml format serializer serialize schema validate mapping mapper",
        "validation regex payload reject rejected invalid malformed sanitise sanitize strict alias",
        "camelcase",
    ),
    "missing": _split(
        "empty blank missing null undefined nil nullpointerexception optional disappear disappeared lost",
        "vanish vanished gone lose gap gaps",
    ),
    "twice": _split(
        "twice duplicate duplicated double retry retries idempotent idempotency repeated repeat repeatedly",
        "redelivery dedup dedupe deduplication",
    ),
    "place": _split(
        "map maps tile geo geojson location gps coordinate coordinates region country city lat lon",
        "longitude latitude nearby radius distance abroad near geofence",
    ),
    "travel": _split(
        "travel trip trips route routing ride rider driver passenger flight train station hotel room guest",
        "eta traffic connection journey itinerary seat coach airport arrival",
    ),
    "units": _split(
        "unit units imperial metric fahrenheit celsius temperature miles kilometres km kg weight degrees",
    ),
    "device": _split(
        "device devices sensor sensors firmware ota gateway gateways iot mqtt telemetry meter scanner",
        "printer registry provisioning thing",
    ),
    "integrity": _split(
        "checksum hash signature signed signing digest crc verify verification corrupt corrupted",
    ),
    "safety": _split(
        "fraud risk moderation moderated spam abuse block blocked ban rule rules suspicious",
    ),
    "comments": _split(
        "comment comments post posts posting reply review reviews moderation chat message forum",
    ),
    "publishing": _split(
        "publish publishing editor editors article story stories cms content news draft workflow approval",
    ),
    "contacts": _split(
        "contact contacts lead leads customer crm company companies phone address partner",
    ),
    "telephony": _split(
        "phone telephony call calls voice voip sip number numbers twilio ivr",
    ),
    "calendar": _split(
        "calendar invite invites appointment appointments meeting meetings ics event ical schedule slot",
    ),
    "health": _split(
        "patient patients doctor doctors clinic lab prescription pharmacy medical fhir hl7 visit",
    ),
    "learning": _split(
        "student students teacher teachers grade grades class lesson lessons course homework quiz roster",
    ),
    "games": _split(
        "player players game match matchmaking leaderboard score lobby inventory skill level coins",
    ),
    "finance": _split(
        "ledger accounting journal interest balance statement transfer posting reconciliation treasury",
        "loan",
    ),
    "sync": _split(
        "sync synchronise synchronize replication replicate replica mirror lag stale snapshot import feed",
    ),
    "privacy": _split(
        "private privacy mask masking masked anonymous pii leak tenant tenants redact else else's",
    ),
    "pod": _split(
        "pod container crashloop crashlooping restart probe readiness liveness init evicted pending",
        "notready canary",
    ),
    "config": _split(
        "config configmap configuration setting parameter variable secret",
    ),
}
"""Family → its words; a word may belong to several families."""

FAMILIES_OF: Final[Mapping[str, frozenset[str]]] = {
    word: frozenset(name for name, words in _FAMILIES.items() if word in words)
    for family in _FAMILIES.values()
    for word in family
}
