"""What is an order and what is an answer, in the languages whose verbs are known."""

import unicodedata

import pytest

from bot.domain.orders import is_order


@pytest.mark.parametrize(
    "text",
    [
        "Restart checkout.",
        "It fails; please roll back.",
        "Scale checkout to 3.",
        "Run the playbook.",
        "You should drain it.",
        "Starte checkout neu.",
        "Der Deploy ist schlecht. Bitte genehmigen Sie ihn.",
        "Lehnen Sie das ab.",
        "Redémarrez checkout.",
        "Le déploiement échoue, veuillez approuver le retour.",
        "Reinicia checkout.",
        "Falla desde las 02:58; por favor apruebe el plan.",
        unicodedata.normalize("NFD", "Exécutez la commande."),
    ],
)
def test_an_order_is_told_by_the_verb_that_a_part_begins_with(text: str) -> None:
    assert is_order(text)


@pytest.mark.parametrize(
    "text",
    [
        "Version 42 of checkout went live at 02:58.",
        "A restart fixed it last time.",
        "Run 512 deployed version 42.",
        "Scale was 3 before.",
        "The flag is old, active since May; then it refuses connections, ignores them.",
        "Version 42 ging um 02:58 live, der Neustart half nicht.",
        "La version 42 est en ligne depuis 02:58.",
        "La versión 42 se desplegó a las 02:58, un reinicio no ayudó.",
    ],
)
def test_what_is_said_of_the_past_is_no_order(text: str) -> None:
    assert not is_order(text)
