"""Entity prompting's parts: the regions that are drawn, and the frozen prompter that labels them."""
