"""Make the analyst. LangChain takes most of a second to import, so nothing here does before it is needed."""

from typing import TYPE_CHECKING

from adapters.llm.config import ModelConfig

if TYPE_CHECKING:
    from adapters.llm.agent import LangchainAnalyst


def build_analyst(config: ModelConfig) -> "LangchainAnalyst":
    """Return an analyst over *config*; `aclose` it when the process ends. Nothing is sent.

    Raises:
        InvalidPrompts: the folder of prompts is not what its lock says.
    """
    from adapters.llm.agent import LangchainAnalyst

    return LangchainAnalyst(config)
