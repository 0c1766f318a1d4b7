-- In which third of the samples by redundancy is each sample?
--
-- Use it to train on, or weight, samples with redundant modalities (third 3) separately
-- from those without (third 1). Rows without values or without a modality are left out.
--
-- Of two modalities. On a table of more, where the r of a row that lacks some is of the others,
-- the query ends with an error: u3 would be ambiguous.
--
--   lsmi-etl sql -f redundancy_thirds.sql --table annotated=digits.parquet
--
-- Columns: replace id and label by the table's own columns.

WITH two_modalities AS (
    SELECT *, NULL AS u3 FROM annotated
)
SELECT id, label, r, ntile(3) OVER (ORDER BY r, id) AS third
FROM two_modalities
WHERE r IS NOT NULL
ORDER BY third, r, id;
