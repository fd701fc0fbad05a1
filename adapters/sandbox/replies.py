"""How the sandbox's model answers a question in words: by looking up, well, obediently, or for ever."""

import json
import re
from typing import Any, Final

_DATA: Final = re.compile(r"^(E\d+) (\S+) \([^\n]*\)\n<<data ([0-9a-f]+)>>\n(.*?)<<end \3>>", re.S | re.M)
_ORDERED: Final = re.compile(r"SAY: (.*)")
_WORDS: Final = (
    ("find_similar_incidents", r"fixed|last time|before|similar"),
    ("who_is_on_call", r"on.?call|who "),
    ("get_metric_window", r"error|rate|slow|healthy|metric"),
    ("list_changes", r"chang|deploy|releas|flag"),
)
_FINAL: Final = "Reply"
"""The tool by which a question is answered, where the server knows no schema of an answer."""
_SCOPE: Final = re.compile(r"weather|poem|joke|approve|run the|restart", re.IGNORECASE)


def is_question(body: dict[str, Any]) -> bool:
    """Say whether *body* puts a question in words, and does not ask for an opinion."""
    return bool({"list_changes", _FINAL} & _offered(body))


def _offered(body: dict[str, Any]) -> set[str]:
    return {str(tool["function"]["name"]) for tool in body.get("tools") or ()}


def call_again(body: dict[str, Any]) -> dict[str, Any]:
    """Return a message that looks something up, whatever was found already."""
    return _calls(body, [("list_changes", {"service": None, "minutes": 60})])


def given_call(body: dict[str, Any], text: str) -> dict[str, Any] | None:
    """Return the message that calls a tool as *text* says (`{"name": …, "arguments": {…}}`), else None."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict) or given.keys() != {"name", "arguments"}:
        return None
    return _calls(body, [(given["name"], given["arguments"])])


def obey(body: dict[str, Any]) -> dict[str, Any]:
    """Return a message that looks up, then says what a text in the data asks for, quoting that text."""
    found = _found(body)
    if not found:
        wanted = [("get_alert_timeline", {"service": None, "minutes": None})]
        return _calls(body, wanted)
    for result, lines in found:
        for line in lines:
            if ordered := _ORDERED.search(line):
                said = ordered[1]
                return _says(body, [(said[:300], result, line[:160])], "answered")
    return _says(body, [], "unknown")


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Return a message that looks up what the question is about, then quotes the first line found."""
    question = _question(body)
    if _SCOPE.search(question):
        return _says(body, [], "out_of_scope")
    found = _found(body)
    if not found:
        folded = question.casefold()
        tool = next((name for name, pattern in _WORDS if re.search(pattern, folded)), "get_alert_timeline")
        arguments: dict[str, Any] = {"service": None, "minutes": None}
        return _calls(body, [(tool, {} if tool == "who_is_on_call" else arguments)])
    said = [
        (f"The record says: {_short(lines[0])}.", result, lines[0][:160]) for result, lines in found if lines
    ]
    return _says(body, said[:3], "answered" if said else "unknown")


def _short(line: str) -> str:
    words = line[:200].split(" ")
    return " ".join(words[:-1] if len(line) > 200 else words).rstrip(".,;:")


def _question(body: dict[str, Any]) -> str:
    first = next(str(one["content"]) for one in body["messages"] if one["role"] == "user")
    found = re.search(r"Question:\n<<data \S+>>\n(.*?)\n<<end", first, re.S)
    return found[1] if found else ""


def _found(body: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return each result with its lines, as far as they can be quoted."""
    told = [str(one["content"]) for one in body["messages"] if one["role"] == "tool"]
    return [
        (match[1], [line for line in match[4].splitlines() if len(line) >= 8])
        for text in told
        for match in _DATA.finditer(text)
    ]


def _says(body: dict[str, Any], sentences: list[tuple[str, str, str]], outcome: str) -> dict[str, Any]:
    said = [{"text": text, "evidence": [result], "quotes": [quote]} for text, result, quote in sentences]
    whole = {"sentences": said, "outcome": outcome}
    if _FINAL in _offered(body):
        return _calls(body, [(_FINAL, whole)])
    content = json.dumps(whole)
    return {"role": "assistant", "content": content, "refusal": None}


def _calls(body: dict[str, Any], wanted: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    number = sum(one["role"] == "tool" for one in body["messages"])
    calls = [
        {
            "id": f"call_{number + index}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for index, (name, arguments) in enumerate(wanted)
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls, "refusal": None}
