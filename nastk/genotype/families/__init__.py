"""Facts of the block families, one file a group; importing this enters all of them. Loads no torch."""

import nastk.genotype.families.branches
import nastk.genotype.families.cells
import nastk.genotype.families.classifiers
import nastk.genotype.families.dense
import nastk.genotype.families.mobile
import nastk.genotype.families.mobile_units
import nastk.genotype.families.plain
import nastk.genotype.families.preactivation
import nastk.genotype.families.residual
import nastk.genotype.families.xception  # noqa: F401
