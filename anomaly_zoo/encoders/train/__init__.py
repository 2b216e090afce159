"""Train zoonet: real Galaxy Zoo 2 cutouts and the simulated zoo, with and without labels.

    python -m anomaly_zoo.encoders.train gz2.parquet --work training -o zoonet.safetensors

The Parquet file has one row a galaxy: `id`, `morphology` (text) and `image` (JPEG or PNG, 64 x 64
pixels). One galaxy in five, chosen by its id, is never trained on. `--work` keeps the simulated
galaxies and a checkpoint after every epoch: run again, the command goes on where it was stopped.

One network learns four things at once from two altered views of each image (turned, mirrored,
moved, zoomed, blurred, brighter or darker, noisier, without colour):

* which two views of a batch are of one galaxy (Chen et al. 2020, SimCLR, ICML, eq. 1), among the
  real ones and among the simulated ones;
* the morphology of a real galaxy;
* the kind of a simulated one;
* the votes of the simulated volunteers, question by question (multinomial likelihood).

Afterwards batch normalisation is folded into the convolutions, and the mean of the last stage is
turned to its principal axes, of which the first are kept, each divided by a power of its variance.
What `Pixels` measures is turned to its principal axes too, for the second part of a vector.
"""
