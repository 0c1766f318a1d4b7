-- Which third of the samples, by redundancy, is each sample in?
--
-- Train on, or weight, the samples whose modalities say the same (third 3) apart from
-- those whose modalities do not (third 1). Rows without values are in none.
--
--   lsmi-etl sql -f redundancy_thirds.sql --table annotated=digits.parquet
--
-- Columns: id and label are the table's own; write yours in their place.

SELECT id, label, r, ntile(3) OVER (ORDER BY r, id) AS third
FROM annotated
WHERE r IS NOT NULL
ORDER BY third, r, id;
