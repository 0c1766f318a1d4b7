-- In which third of the samples by redundancy is each sample?
--
-- Use it to train on, or weight, samples with redundant modalities (third 3) separately
-- from those without (third 1). Of any number of modalities: r is what each of them holds.
-- Rows without values or without a modality are left out.
--
--   lsmi-etl sql -f redundancy_thirds.sql --table annotated=digits.parquet
--
-- Columns: replace id and label by the table's own columns.

SELECT id, label, r, ntile(3) OVER (ORDER BY r, id) AS third
FROM annotated
WHERE s IS NOT NULL
ORDER BY third, r, id;
