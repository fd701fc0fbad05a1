"""What people ask with `/incident`, by mentioning the bot, or by the message shortcut: one module a group."""
