"""The shape rules of Block Kit as data: which properties, which elements, where."""

from types import MappingProxyType

# Every property that Slack accepts; others are refused as additional properties.
BLOCK_PROPERTIES = MappingProxyType(
    {
        "actions": frozenset({"elements"}),
        "context": frozenset({"elements"}),
        "divider": frozenset[str](),
        "header": frozenset({"text"}),
        "image": frozenset({"image_url", "slack_file", "alt_text", "title"}),
        "input": frozenset({"label", "element", "dispatch_action", "hint", "optional"}),
        "markdown": frozenset({"text"}),
        "rich_text": frozenset({"elements"}),
        "section": frozenset({"text", "fields", "accessory", "expand"}),
        "table": frozenset({"rows", "column_settings"}),
    }
)

SURFACES = MappingProxyType(
    {
        "message": frozenset(BLOCK_PROPERTIES),
        "modal": frozenset(BLOCK_PROPERTIES) - {"markdown", "table"},
        "home": frozenset(BLOCK_PROPERTIES) - {"markdown", "table"},
    }
)

_CHOICE = frozenset({"action_id", "placeholder", "focus_on_load", "confirm"})
ELEMENT_PROPERTIES = MappingProxyType(
    {
        "button": frozenset({"text", "action_id", "url", "value", "style", "confirm", "accessibility_label"}),
        "checkboxes": frozenset({"action_id", "options", "initial_options", "confirm", "focus_on_load"}),
        "datepicker": _CHOICE | {"initial_date"},
        "image": frozenset({"image_url", "slack_file", "alt_text"}),
        "multi_static_select": _CHOICE
        | {"options", "option_groups", "initial_options", "max_selected_items"},
        "multi_users_select": _CHOICE | {"initial_users", "max_selected_items"},
        "overflow": frozenset({"action_id", "options", "confirm"}),
        "plain_text_input": frozenset(
            {
                "action_id",
                "initial_value",
                "multiline",
                "min_length",
                "max_length",
                "dispatch_action_config",
                "focus_on_load",
                "placeholder",
            }
        ),
        "radio_buttons": frozenset({"action_id", "options", "initial_option", "confirm", "focus_on_load"}),
        "static_select": _CHOICE | {"options", "option_groups", "initial_option"},
        "users_select": _CHOICE | {"initial_user"},
    }
)

_PICKERS = frozenset(
    {
        "button",
        "checkboxes",
        "datepicker",
        "multi_static_select",
        "multi_users_select",
        "overflow",
        "radio_buttons",
        "static_select",
        "users_select",
    }
)
ACCESSORIES = _PICKERS | {"image"}
ACTIONS = _PICKERS - {"multi_static_select", "multi_users_select"}
INPUTS = (_PICKERS - {"button", "overflow"}) | {"plain_text_input"}

RICH_TEXT_PARTS = frozenset(
    {"rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote"}
)
