-- Which weights should models of x1, of x2 and of the pair have for each class?
--
-- Weights from the class's mean parts: uniqueness counts for the modality's own model,
-- redundancy for both in equal shares, synergy for the pair's model. Negative means count
-- as zero. The three weights of a class add up to one. Rows without values or without a
-- modality are left out; left_out counts them.
--
-- Of two modalities. On a table of more, whose r, u1, u2 and s do not add up to i, the query
-- ends with an error: u3 would be ambiguous.
--
--   lsmi-etl sql -f ensemble_weights.sql --table annotated=digits.parquet
--
-- Columns: replace label by the table's own label column.

WITH two_modalities AS (
    SELECT *, NULL AS u3 FROM annotated
), complete AS (
    SELECT
        label, r, s,
        CASE WHEN r IS NOT NULL THEN u1 END AS u1,
        CASE WHEN r IS NOT NULL THEN u2 END AS u2
    FROM two_modalities
), profiles AS (
    SELECT label, lsmi_summary(r, u1, u2, s) AS p FROM complete GROUP BY label
), parts AS (
    SELECT
        label,
        greatest(p['u1'], 0.0) + greatest(p['r'], 0.0) / 2 AS first,
        greatest(p['u2'], 0.0) + greatest(p['r'], 0.0) / 2 AS second,
        greatest(p['s'], 0.0) AS pair,
        p['nulls'] AS left_out
    FROM profiles
    WHERE p['rows'] > 0
)
SELECT
    label,
    round(first / (first + second + pair), 3) AS weight_x1,
    round(second / (first + second + pair), 3) AS weight_x2,
    round(pair / (first + second + pair), 3) AS weight_pair,
    left_out
FROM parts
WHERE first + second + pair > 0
ORDER BY label;
