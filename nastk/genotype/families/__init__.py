"""Facts of the block families, one file a group; importing this enters all of them. Loads no torch."""

import nastk.genotype.families.classifiers
import nastk.genotype.families.plain
import nastk.genotype.families.residual  # noqa: F401
