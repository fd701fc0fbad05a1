"""What a person does with the record: another key, a word for an unsigned entry."""

from adapters.store.entries import Draft
from adapters.store.proposing import leave
from adapters.store.signing import SeedSigner
from adapters.store.transaction import Transaction
from bot.domain.audit import GENESIS, Act, Entry
from bot.domain.chain_check import key_after
from bot.domain.errors import Invalid, NotFound
from bot.domain.proposal import ProposalState
from bot.domain.seal import rotation_statement


def rotate(tx: Transaction, new: SeedSigner, by: str) -> Entry:
    """Hand the record over to another key: signed by the old one, and by the new one for itself.

    Approvals that wait are signed with the old key, so they are withdrawn. Raises `Unavailable` without it.
    """
    old = tx.usable_key()
    for record in tx.rows.proposals.live():
        if record.approvals:
            leave(tx, record, ProposalState.SUPERSEDED, "the key of the record was changed: approve it anew")
    last = tx.rows.log.last()
    proof = new.sign(rotation_statement(old, new.key, last.hash if last is not None else GENESIS))
    facts = {"old_key": old, "new_key": new.key, "proof": proof}
    return tx.append(Draft(act=Act.KEY_ROTATED, incident=None, facts=facts, actor=by, is_actor_known=False))


def replace_lost_key(tx: Transaction, by: str) -> Entry:
    """Go on with the signer's own key although the chain's is lost. A check must be told to accept it."""
    signed = tx.rows.log.last_signed()
    lost = key_after(signed) if signed is not None else None
    if lost is None or lost == tx.signer.key:
        raise Invalid("The record goes on with this bot's key: nothing is lost.")
    facts = {"old_key": lost, "new_key": tx.signer.key}
    return tx.append(
        Draft(
            act=Act.KEY_REPLACED,
            incident=None,
            facts=facts,
            actor=by,
            is_actor_known=False,
            new_key=tx.signer.key,
        )
    )


def vouch(tx: Transaction, seq: int, by: str, reason: str) -> Entry:
    """Put a person's word, signed, behind an entry that was written while nothing could be signed.

    Raises:
        NotFound: there is no such entry.
        Invalid: it is signed.
    """
    entry = tx.rows.log.get(seq)
    if entry is None:
        raise NotFound(f"There is no entry {seq}.")
    if entry.seal is not None:
        raise Invalid(f"Entry {seq} is signed: nobody needs to vouch for it.")
    return tx.append(
        Draft(
            act=Act.VOUCHED,
            incident=entry.incident,
            facts={"entry": seq, "entry_hash": entry.hash},
            texts={"reason": reason},
            actor=by,
            is_actor_known=False,
        )
    )
