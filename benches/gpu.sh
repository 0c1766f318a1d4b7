#!/usr/bin/env bash
# How fast the models run on a GPU, where the time goes, and how far the results are from
# the processor's. Prints a Markdown table; everything else goes to stderr.
#
#   benches/gpu.sh > table.md
#   DEVICE=cuda:0,cuda:1 WORKERS='2 4 6' benches/gpu.sh
#   DEVICE=cpu DIMS='16 32' ROWS=20000 benches/gpu.sh     every step but the GPU's own
#
#   DEVICE    the device to measure                    [cuda:0]
#   DIMS      lengths of the embeddings, both alike    [128 512]
#   WORKERS   numbers of workers on the device         [1 2 3 4]
#   SYNTH     more flags for the generator, such as --warp  [none]
#   FIT       more flags for fit, such as --folds 1  [none]
#   ROWS      rows of each file                        [256 MiB of embeddings]
#   TRAIN     rows that the models are fitted on       [5000]
#   REPEATS   medians are of so many                   [5]
#   LSMI_ETL  the program                              [built by cargo]
#   ORT_DYLIB_PATH  ONNX Runtime's library             [put in place by the program]
#   WORK      where files go; kept if it is given      [a temporary folder]
#   LSMI_ETL_RUNTIME_DIR  where ONNX Runtime is or is put  [WORK/runtime]
set -euo pipefail

device=${DEVICE:-cuda:0}
read -ra all_dims <<<"${DIMS:-128 512}"
read -ra all_workers <<<"${WORKERS:-1 2 3 4}"
read -ra shape <<<"${SYNTH:-}"
read -ra fitting <<<"${FIT:-}"
train=${TRAIN:-5000}
repeats=${REPEATS:-5}
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }

if [[ -n ${WORK:-} ]]; then
    mkdir -p "$WORK"
    work=$(cd "$WORK" && pwd)
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
export LSMI_ETL_RUNTIME_DIR=${LSMI_ETL_RUNTIME_DIR:-$work/runtime}

program=${LSMI_ETL:-}
if [[ -z $program ]]; then
    say "building"
    (cd "$repository" && cargo build --release --quiet)
    program=${CARGO_TARGET_DIR:-$repository/target}/release/lsmi-etl
fi

# The same library on both devices, so that nothing but the device differs.
if [[ -n ${ORT_DYLIB_PATH:-} ]]; then
    say "using $ORT_DYLIB_PATH"
elif [[ $device == cpu ]]; then
    "$program" runtime install >&2
else
    "$program" runtime install --cuda >&2
fi
if ! "$program" doctor --device "$device" >"$work/doctor.txt" 2>&1; then
    cat "$work/doctor.txt" >&2
    say "$device can't be used here"
    exit 69
fi
engine=$(sed -n 's/^engine  *//p' "$work/doctor.txt")

# The number after a name in a line of JSON; the first, where there are several.
field() { grep -o "\"$1\":[-+0-9.eE]*" "$2" | head -n 1 | cut -d : -f 2; }
median() { sort -g | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
percent() { awk -v part="$1" -v whole="$2" 'BEGIN { if (whole > 0) printf "%.0f %%", 100 * part / whole; else printf "-" }'; }

# What the workers' debug lines say they spent: staging, copying and computing.
spent() {
    awk -v what="$1" '
        /worker on .*: staging .* copying .* computing / {
            for (i = 1; i < NF; i++) if ($i == what) sum += $(i + 1)
        }
        END { printf "%.6f", sum }' "$2"
}

# measure NAME DIM DEVICE WORKERS [FLAG...]: one row of the table.
measure() {
    local name=$1 dim=$2 on=$3 workers=$4
    shift 4
    local in=$work/in-$dim.parquet out=$work/$name.parquet bundle=$work/bundle-$dim
    local -a flags=(--bundle "$bundle" --engine onnxruntime --device "$on" --json "$@")
    if [[ $workers != default ]]; then
        flags+=(--workers "$workers")
    fi
    say "$dim: $name"
    local run log=$work/$name.log
    : >"$log"
    # The models alone: a dry run tries them on rows in memory.
    for ((run = 0; run < repeats; run++)); do
        LSMI_ETL_LOG=lsmi_etl=debug "$program" annotate "$in" "$out" --dry-run "${flags[@]}" \
            >"$work/$name.plan.$run" 2>>"$log"
    done
    local models used batch
    models=$(for ((run = 0; run < repeats; run++)); do field engine_rows_per_second "$work/$name.plan.$run"; done | median)
    used=$(field workers "$work/$name.plan.0")
    batch=$(field batch_rows "$work/$name.plan.0")
    # The whole way of a file.
    for ((run = 0; run < repeats; run++)); do
        "$program" annotate "$in" "$out" --overwrite --columns h1,h2,i12 "${flags[@]}" \
            >"$work/$name.summary.$run" 2>>"$log.annotate"
    done
    local whole
    whole=$(for ((run = 0; run < repeats; run++)); do field rows_per_second "$work/$name.summary.$run"; done | median)

    local staging copying computing all
    staging=$(spent staging "$log")
    copying=$(spent copying "$log")
    computing=$(spent computing "$log")
    all=$(awk -v a="$staging" -v b="$copying" -v c="$computing" 'BEGIN { print a + b + c }')

    local differences='- | - | - | -'
    if [[ $name != "$dim-cpu" ]]; then
        differences=$(compare "$work/$dim-cpu.parquet" "$out" "$(field rows "$work/$name.summary.0")")
    fi
    printf '| %s | %s | %s | %s | %.0f | %s | %s | %s | %.0f | %s |\n' \
        "2 × $dim" "$on${*:+ $*}" "$used" "$batch" "$models" "$(percent "$staging" "$all")" \
        "$(percent "$copying" "$all")" "$(percent "$computing" "$all")" "$whole" "$differences"
}

# compare A B ROWS: the greatest differences, rows matched by their exact densities.
compare() {
    local sql result
    sql="SELECT count(*) AS n, max(abs(a.r - b.r)) AS r, max(abs(a.s - b.s)) AS s,
                max(abs(a.h1 - b.h1) / abs(a.h1)) AS h, max(abs(a.i12 - b.i12)) AS i
         FROM '$1' a JOIN '$2' b ON a.true_h1 = b.true_h1 AND a.true_h2 = b.true_h2"
    result=$("$program" sql --format csv "$sql" | tail -n 1)
    if [[ ${result%%,*} != "$3" ]]; then
        say "$2 has ${result%%,*} rows of $3 in common with $1"
        exit 70
    fi
    awk -F , -v line="$result" 'BEGIN { split(line, v, ","); printf "%.1e | %.1e | %.1e | %.1e", v[2], v[3], v[4], v[5] }'
}

processor=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1 || true)
printf '%s, %s cores' "${processor:-unknown processor}" "$(getconf _NPROCESSORS_ONLN)"
if [[ $device != cpu ]] && command -v nvidia-smi >/dev/null; then
    printf '; %s' "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | paste -sd ';')"
fi
printf '; %s; medians of %s.\n\n' "$engine" "$repeats"
printf '| embeddings | device | workers | batch rows | models, rows/s | staging | copying | computing | annotate, rows/s | max abs dr | max abs ds | max rel dh1 | max abs di12 |\n'
printf '|---|---|---|---|---|---|---|---|---|---|---|---|---|\n'

for dim in "${all_dims[@]}"; do
    rows=${ROWS:-$((256 * 1024 * 1024 / (8 * dim)))}
    wide=(wide --d1 "$dim" --d2 "$dim" --truth full --overwrite "${shape[@]}")
    say "$dim: $rows rows"
    "$program" synth "${wide[@]}" --rows "$rows" --seed 1 -o "$work/in-$dim.parquet" >&2
    "$program" synth "${wide[@]}" --rows "$train" --seed 2 -o "$work/train-$dim.parquet" >&2
    "$program" fit "$work/train-$dim.parquet" --bundle "$work/bundle-$dim" --overwrite "${fitting[@]}" >&2

    measure "$dim-cpu" "$dim" cpu default
    for workers in "${all_workers[@]}"; do
        measure "$dim-device-$workers" "$dim" "$device" "$workers"
    done
    measure "$dim-tf32" "$dim" "$device" default --tf32

    # What the GPU itself was doing, kernels and copies apart.
    if [[ $device != cpu ]] && command -v nsys >/dev/null; then
        nsys profile --force-overwrite=true --trace=cuda --output "$work/nsys-$dim" \
            "$program" annotate "$work/in-$dim.parquet" "$work/nsys.parquet" --overwrite \
            --bundle "$work/bundle-$dim" --engine onnxruntime --device "$device" >&2
        nsys stats --force-export=true --report cuda_gpu_kern_sum --report cuda_gpu_mem_time_sum \
            "$work/nsys-$dim.nsys-rep" >&2 || say "nsys could not sum up its report"
    fi
done
