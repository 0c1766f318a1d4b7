-- Which labels are probably wrong?
--
-- The samples whose label both modalities together contradict: the pair's information
-- about it, i12 = r + u1 + u2 + s, is below -1 nat, so that the models consider the label
-- less than 1/e times as likely as its prior. The worst come first: review them in this
-- order. Rows that lack a modality are left out.
--
-- Of two modalities. On a table of more, whose r, u1, u2 and s do not add up to i, the query
-- ends with an error: u3 would be ambiguous.
--
--   lsmi-etl sql -f mislabelled.sql --table annotated=digits.parquet
--
-- Columns: replace id and label by the table's own columns.

WITH two_modalities AS (
    SELECT *, NULL AS u3 FROM annotated
)
SELECT id, label, r + u1 + u2 + s AS i12, r + u1 AS i1, r + u2 AS i2
FROM two_modalities
WHERE r + u1 + u2 + s < -1
ORDER BY i12, id;
