-- Which samples can be dropped first to shrink the data set?
--
-- For each class, the more redundant half of its plain samples. In a plain sample either
-- modality alone predicts the label: uniqueness and synergy are within a tenth of the
-- redundancy. Hard, one-sided and synergistic samples are kept, and those
-- that lack a modality.
--
-- Of two modalities. On a table of more, whose r, u1, u2 and s do not add up to i, the query
-- ends with an error: u3 would be ambiguous.
--
--   lsmi-etl sql -f redundant_rows.sql --table annotated=digits.parquet
--
-- Columns: replace id and label by the table's own columns.

WITH two_modalities AS (
    SELECT *, NULL AS u3 FROM annotated
), plain AS (
    SELECT id, label, r, u1, u2, s, ntile(2) OVER (PARTITION BY label ORDER BY r DESC, id) AS half
    FROM two_modalities
    WHERE r > 0 AND greatest(abs(u1), abs(u2), abs(s)) <= 0.1 * r
)
SELECT id, label, r, u1, u2, s
FROM plain
WHERE half = 1
ORDER BY label, r DESC, id;
