"""What the metrics of captions are made of: Java, the tokenizer, METEOR, SPICE, BLEU, and files of captions."""
