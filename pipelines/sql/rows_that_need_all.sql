-- Which rows need all three modalities?
--
-- The rows on which the three together predict the label better than the prior (i_123 > 0)
-- and better than the best pair by more than half a nat: no modality may be missing there.
-- s is the part of what is lost that no pair has; the rest some pair has, but not the best.
-- Rows that lack a modality are left out.
--
--   lsmi-etl sql -f rows_that_need_all.sql --table annotated=annotated.parquet
--
-- The table is one of three modalities, annotated with --columns i_12,i_13,i_23,i_123.
-- Columns: replace id and label by the table's own columns.

SELECT
    id, label, i_123,
    CASE best WHEN i_12 THEN 'x1+x2' WHEN i_13 THEN 'x1+x3' ELSE 'x2+x3' END AS best_pair,
    best AS i_of_best_pair, i_123 - best AS lost, s
FROM (SELECT *, greatest(i_12, i_13, i_23) AS best FROM annotated)
WHERE i_123 > 0 AND i_123 - best > 0.5
ORDER BY lost DESC, id;
