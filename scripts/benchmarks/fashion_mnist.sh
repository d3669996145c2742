#!/usr/bin/env bash
# Search on a part of Fashion-MNIST, transfer to the whole, and compare with networks made by hand, in about two hours
# on two cores. A stopped run goes on with the same command. NASTK_DATA=<folder with fashion-mnist/>, OUT=<folder>.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=${NASTK_DATA:-../shared/data}/fashion-mnist
out=${OUT:-runs/fashion-mnist}
python=${PYTHON:-.venv/bin/python}
limit=${LIMIT:-0.3}   # milliseconds an image: fp32, batch 1, one thread
epochs=${EPOCHS:-4}   # of all 60,000 images
report=${REPORT:-scripts/benchmarks/reports/$(date +%F)-fashion-mnist.md}
blocks=${BLOCKS:-2}   # of a cell; with 5 a third of a millisecond is over before the network is wide enough
trials=${TRIALS:-32}
export OMP_NUM_THREADS=1
"$python" -m nastk.search +space=nasnet space.blocks="$blocks" run="$out/search" data=fashion_mnist data.root="$data" \
    data.subset=4000 data.validation=2000 evaluator.network.filters=16 evaluator.epochs=3 evaluator.threads=1 \
    executor=processes executor.parallel=2 trials="$trials" objective.max_latency_ms="$limit"
"$python" -m nastk.transfer run="$out/search" transfer.max_latency_ms="$limit" training.epochs="$epochs" training.threads=1 \
    "baselines=[]"
"$python" scripts/benchmarks/fashion_mnist.py --root "$data" --run "$out/search" --out "$out" --limit "$limit" \
    --epochs "$epochs" --report "$report" --command "scripts/benchmarks/fashion_mnist.sh"
