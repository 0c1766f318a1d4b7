-- In which third of the samples by redundancy is each sample?
--
-- Use it to train on, or weight, samples with redundant modalities (third 3) separately
-- from those without (third 1). Rows without values or without a
-- modality are left out.
--
-- Of two modalities: with more, r, u1, u2 and s do not add up to i.
--
--   lsmi-etl sql -f redundancy_thirds.sql --table annotated=digits.parquet
--
-- Columns: replace id and label by the table's own columns.

SELECT id, label, r, ntile(3) OVER (ORDER BY r, id) AS third
FROM annotated
WHERE r IS NOT NULL
ORDER BY third, r, id;
