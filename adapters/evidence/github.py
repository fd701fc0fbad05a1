"""What differs between two versions, from GitHub's compare API."""

import re
from typing import Final
from urllib.parse import quote

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from adapters.evidence.source_http import Asking
from bot.domain.catalogue import Repository
from bot.domain.errors import Invalid, NotFound
from bot.domain.sources import ChangeDiff, FileChange, FileStatus

MOST_FILES: Final = 50
MOST_PATCH: Final = 20_000  # Characters of all patches together.
_REPOSITORY: Final = TypeAdapter[str](Repository)
_REF: Final = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/+-]{0,127}")


class _File(BaseModel):
    filename: str = Field(max_length=4096)
    status: FileStatus
    additions: int = Field(ge=0)
    deletions: int = Field(ge=0)
    patch: str = ""


class _Compared(BaseModel):
    files: tuple[_File, ...] = ()


class GitHubDiffs:
    """Implements `Diffs`. *token* is a header value such as `Bearer secret:GITHUB_TOKEN`, or None."""

    def __init__(self, asking: Asking, *, api_url: str, token: str | None) -> None:
        self._asking = asking
        self._api_url = api_url.rstrip("/")
        self._headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            **({"Authorization": token} if token is not None else {}),
        }

    async def diff(self, repository: str, base: str, head: str) -> ChangeDiff:
        """Compare the versions as tags; `2.4.1` is looked for as `v2.4.1` too.

        Raises:
            Invalid: the repository or a version is no name of one.
            NotFound: GitHub knows one of them not, or not for this token.
            Unavailable: it did not answer.
        """
        try:
            _REPOSITORY.validate_python(repository)
        except ValidationError as exc:
            raise Invalid("a repository is written owner/name") from exc
        if not (_REF.fullmatch(base) and _REF.fullmatch(head)):
            raise Invalid(f"a version of {repository} is no name of a tag, branch or commit")
        try:
            return await self._compare(repository, base, head)
        except NotFound:
            if not (base[0].isdigit() and head[0].isdigit()):
                raise
        return await self._compare(repository, f"v{base}", f"v{head}")

    async def _compare(self, repository: str, base: str, head: str) -> ChangeDiff:
        span = f"{quote(base, safe='')}...{quote(head, safe='')}"
        found = await self._asking.ask(
            _Compared,
            f"{self._api_url}/repos/{repository}/compare/{span}",
            params={"per_page": "1"},  # Of commits, which are not read; the files are all on the first page.
            headers=self._headers,
        )
        return _bounded(base, head, found.files)


def _bounded(base: str, head: str, files: tuple[_File, ...]) -> ChangeDiff:
    room, kept, is_cut = MOST_PATCH, [], len(files) > MOST_FILES
    for file in files[:MOST_FILES]:
        patch = file.patch
        if len(patch) > room:
            patch, is_cut = patch[:room].rpartition("\n")[0], True
        room -= len(patch)
        kept.append(
            FileChange(
                name=file.filename,
                status=file.status,
                added=file.additions,
                removed=file.deletions,
                patch=patch,
            )
        )
    return ChangeDiff(base=base, head=head, files=tuple(kept), is_cut=is_cut)
