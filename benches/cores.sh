#!/usr/bin/env bash
# How `annotate` grows with the number of workers, in three forms of the embeddings, and what one thread
# does for all of them. Prints a Markdown table; everything else goes to stderr.
#
#   benches/cores.sh > table.md
#   DIM=512 ROWS=300000 WORKERS='1 4 16' benches/cores.sh
#   DEVICE=cuda:0 WORKERS='3 6' benches/cores.sh
#
#   DEVICE    where the models run                  [cpu]
#   DIM       length of the embeddings, both alike  [128]
#   ROWS      rows of each file                     [1200000]
#   WORKERS   numbers of workers                    [1, 2, 4, … all cores]
#   FORMS     plain, snappy (lists of f32), double (lists of f64, snappy)  [all three]
#   REPEATS   medians are of so many                [3]
#   LSMI_ETL  the program                           [lsmi-etl on the PATH]
#   ORT_DYLIB_PATH  ONNX Runtime's library          [what the program finds]
#   WORK      where files go; kept if it is given   [a temporary folder]
set -euo pipefail

program=${LSMI_ETL:-lsmi-etl}
device=${DEVICE:-cpu}
dim=${DIM:-128}
rows=${ROWS:-1200000}
repeats=${REPEATS:-3}
cores=$(nproc)
all_workers=()
for ((n = 1; n < cores; n *= 2)); do all_workers+=("$n"); done
read -ra all_workers <<<"${WORKERS:-${all_workers[*]} $cores}"
read -ra forms <<<"${FORMS:-plain snappy double}"

if [[ -n ${WORK:-} ]]; then
    work=$WORK
    mkdir -p "$work"
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
cd "$work"

say() { printf '%s\n' "$*" >&2; }

# Bytes and seconds do not depend on what the models have learned.
if [[ ! -d bundle ]]; then
    "$program" synth wide --rows 5000 --truth none --d1 "$dim" --d2 "$dim" --overwrite -o train.parquet >&2
    "$program" fit train.parquet --folds 1 --bundle bundle >&2
fi
[[ -f plain.parquet ]] ||
    "$program" synth wide --rows "$rows" --truth none --d1 "$dim" --d2 "$dim" -o plain.parquet >&2
for form in "${forms[@]}"; do
    [[ -f $form.parquet ]] && continue
    case $form in
    snappy) of=Float32 ;;
    double) of=Float64 ;;
    *) say "no form $form" && exit 64 ;;
    esac
    say "writing $form"
    "$program" sql >&2 "SET datafusion.execution.parquet.compression = 'snappy';
        SET datafusion.execution.batch_size = 1024;
        COPY (SELECT arrow_cast(x1, 'List($of)') AS x1, arrow_cast(x2, 'List($of)') AS x2, y FROM 'plain.parquet')
        TO '$form.parquet' STORED AS PARQUET"
done

# The middle of some numbers.
median() { sort -g | sed -n "$(((repeats + 1) / 2))p"; }
field() { sed -E "s/.*\"$1\": *([0-9.e+-]+).*/\1/"; }

say "2 x $dim values, $rows rows, $cores cores, $("$program" --version)"
echo "| form | workers | rows/s | locate, ns/row | journal, ns/row | copy, ns/row |"
echo "|---|---|---|---|---|---|"
for form in "${forms[@]}"; do
    for workers in "${all_workers[@]}"; do
        rates=() locates=() journals=() copies=()
        for ((round = 0; round < repeats; round++)); do
            rm -f out.parquet
            summary=$("$program" annotate "$form.parquet" out.parquet --bundle bundle --restart --json --quiet \
                --device "$device" --workers "$workers" --metrics metrics.prom | tail -n 1)
            rates+=("$(field rows_per_second <<<"$summary")")
            of() {
                grep "stage=\"$1\"" metrics.prom | awk -v rows="$rows" '{ printf "%.0f\n", $NF / rows * 1e9 }'
            }
            locates+=("$(of locate)") journals+=("$(of journal)") copies+=("$(of write)")
        done
        printf '| %s | %s | %.0f | %s | %s | %s |\n' "$form" "$workers" \
            "$(printf '%s\n' "${rates[@]}" | median)" "$(printf '%s\n' "${locates[@]}" | median)" \
            "$(printf '%s\n' "${journals[@]}" | median)" "$(printf '%s\n' "${copies[@]}" | median)"
    done
done
