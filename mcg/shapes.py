"""The legend of letters used in shapes and tensor names throughout mcg/. A suffix `_BLD` on a tensor says its axes.

B  samples on this rank          G  samples of the global batch (B x world size)
T  frames of a clip              P  patches of a frame              V  video tokens; of MCG 1 + P, averaged over time
L  text tokens                   W  words of a text                 A  answer tokens
F  fused tokens, L + V           D  model width                     E  contrastive width
H  attention heads               K  vocabulary entries              N  rows, pairs or answers
S  seconds or windows            C  colours of a pixel, classes,    d  channels of one head
Q  queries of a retrieval           candidates of a query           M  texts of a split
O  texts of a video                 R  resamples of a bootstrap
x  any axes                      1  an axis of length one

In BTHWC and BTCHW, H and W are height and width; in BSF, a batch of features, F is their width.
"""
