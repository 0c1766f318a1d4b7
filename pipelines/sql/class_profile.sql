-- Which information identifies each class: redundant, unique or synergistic?
--
-- Mean redundancy, uniqueness and synergy of each class in nats, each with its standard
-- error, and the share of its samples in which each part is largest. Rows without values or
-- without a modality are left out; left_out counts them.
--
-- Of two modalities. On a table of more, whose r, u1, u2 and s do not add up to i, the query
-- ends with an error: u3 would be ambiguous.
--
--   lsmi-etl sql -f class_profile.sql --table annotated=digits.parquet
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
)
SELECT
    label,
    p['rows'] AS rows,
    round(p['r'], 3) AS r,
    round(p['r_std_error'], 3) AS "r ±",
    round(p['u1'], 3) AS u1,
    round(p['u1_std_error'], 3) AS "u1 ±",
    round(p['u2'], 3) AS u2,
    round(p['u2_std_error'], 3) AS "u2 ±",
    round(p['s'], 3) AS s,
    round(p['s_std_error'], 3) AS "s ±",
    round(p['redundancy_share'], 3) AS redundancy,
    round(p['unique_1_share'], 3) AS unique_1,
    round(p['unique_2_share'], 3) AS unique_2,
    round(p['synergy_share'], 3) AS synergy,
    p['nulls'] AS left_out
FROM profiles
ORDER BY label;
