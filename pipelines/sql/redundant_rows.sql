-- Which samples could go first if the data set must be smaller?
--
-- Of each class the half of its plain samples that is most redundant: a plain sample is
-- told by either modality alone, with uniqueness and synergy within a tenth of its
-- redundancy. What is hard, one-sided or told by the pair alone is kept.
--
--   lsmi-etl sql -f redundant_rows.sql --table annotated=digits.parquet
--
-- Columns: id and label are the table's own; write yours in their place.

WITH plain AS (
    SELECT id, label, r, u1, u2, s, ntile(2) OVER (PARTITION BY label ORDER BY r DESC, id) AS half
    FROM annotated
    WHERE r > 0 AND greatest(abs(u1), abs(u2), abs(s)) <= 0.1 * r
)
SELECT id, label, r, u1, u2, s
FROM plain
WHERE half = 1
ORDER BY label, r DESC, id;
