-- Which combinations of three modalities carry the information?
--
-- The mean of every atom of the redundancy lattice in nats with its standard error, the
-- largest first. In held_by, | stands between those of which each holds the information,
-- and + between those that hold it only together: x1 | x2+x3 is what x1 says, and what x2
-- and x3 say together but not alone. The means add up to the mean of i_123.
--
--   lsmi-etl sql -f combinations.sql --table annotated=annotated.parquet
--
-- The table is one of three modalities, annotated with --columns atoms. Rows without values
-- or without a modality are left out; left_out counts them.

WITH atoms AS (
    SELECT
        unnest([
            'a_1_2_3', 'a_1_2', 'a_1_3', 'a_2_3', 'a_1_23', 'a_2_13', 'a_3_12', 'a_1', 'a_2',
            'a_3', 'a_12_13_23', 'a_12_13', 'a_12_23', 'a_13_23', 'a_12', 'a_13', 'a_23',
            'a_123'
        ]) AS atom,
        unnest([
            'x1 | x2 | x3', 'x1 | x2', 'x1 | x3', 'x2 | x3', 'x1 | x2+x3', 'x2 | x1+x3',
            'x3 | x1+x2', 'x1', 'x2', 'x3', 'x1+x2 | x1+x3 | x2+x3', 'x1+x2 | x1+x3',
            'x1+x2 | x2+x3', 'x1+x3 | x2+x3', 'x1+x2', 'x1+x3', 'x2+x3', 'x1+x2+x3'
        ]) AS held_by,
        unnest([
            a_1_2_3, a_1_2, a_1_3, a_2_3, a_1_23, a_2_13, a_3_12, a_1, a_2, a_3, a_12_13_23,
            a_12_13, a_12_23, a_13_23, a_12, a_13, a_23, a_123
        ]) AS nats,
        a_123 AS of_all
    FROM annotated
), complete AS (
    SELECT atom, held_by, CASE WHEN of_all IS NOT NULL THEN nats END AS nats FROM atoms
), means AS (
    SELECT
        atom,
        held_by,
        round(avg(nats), 3) AS mean,
        round(stddev(nats) / sqrt(count(nats)), 3) AS std_error,
        count(nats) AS rows,
        count(*) - count(nats) AS left_out
    FROM complete
    GROUP BY atom, held_by
)
SELECT atom, held_by, mean AS nats, std_error AS "±", rows, left_out
FROM means
ORDER BY abs(mean) DESC, atom;
