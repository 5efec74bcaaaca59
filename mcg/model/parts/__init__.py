"""Parts that assemblies are built from: encoders of video and of text, the prompter, and their configs."""
