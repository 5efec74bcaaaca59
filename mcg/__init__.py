"""mcg trains MCG (Multi-granularity Contrastive cross-modal collaborative Generation) and its relatives.

Models offer verbs and compute no loss (mcg/model); an objective is one paper's loss (mcg/objectives); a task turns
samples into examples, predicts and scores (mcg/tasks); the engine is DeepSpeed (mcg/engine). docs/architecture.md.
"""
