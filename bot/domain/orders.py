"""Tell a sentence that says what is from one that says what to do, by how its parts begin.

A model answers in the language of the question. The words are those of operating a service; an order in other
words, or in another language, is not told. Nothing rests on it but what people read: no word of a model
reaches a decision.
"""

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ORDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "en": r"approve|deny|press|click|execute|roll(?:\s|-)?back|restart|disable|enable|delete|drop|drain|"
        r"ignore|disregard|scale(?!\s(?:is|was|had)\b)|run(?!\s#?\d)",
        "de": r"(?:genehmig|drück|klick|führ|start|lösch|deaktivier|aktivier|skalier|ignorier|entfern|setz|"
        r"roll)(?:e|t|en)|lehn(?:e|t|en)?|(?:neu)?starten|zurück(?:rollen|setzen)",
        "fr": r"(?:approuv|cliqu|appuy|exécut|redémarr|relanc|désactiv|supprim|annul|lanc)(?:e|ez|er|ons)|"
        r"(?:activ|ignor|refus)(?:ez|er|ons)",
        "es": r"(?:aprueb|deneg|denieg|puls|ejecut|reinici|desactiv|elimin|borr|ignor|reviert)(?:a|e|ar|en)|"
        r"activ(?:a|ar|en)|revertir|haga|haz",
    }
)
"""By language, the verbs that orders begin with; not the forms that are another English word, as `active`,
and not where one is a noun: `Run 512 deployed it`, `Scale was 3`."""
_PART: Final = re.compile(
    r"[.;:,!?]\s+|\b(?:please|should|must|and|then|now|to|bitte|und|dann|jetzt|veuillez|et|puis|maintenant|"
    r"por favor|debe|y|luego|ahora)\b",
    re.IGNORECASE,
)
_ORDER: Final = re.compile(rf"\W*(?:{'|'.join(ORDERS.values())})\b", re.IGNORECASE)


def is_order(text: str) -> bool:
    """Say whether a part of *text* begins with what to do."""
    return any(_ORDER.match(part) for part in _PART.split(unicodedata.normalize("NFC", text)))
