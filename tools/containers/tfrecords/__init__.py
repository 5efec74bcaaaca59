"""TFRecords: records, the tf.train.Example in each, raw frames, and the text index beside them."""
