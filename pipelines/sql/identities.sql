-- Do the columns of three modalities hold together?
--
-- The information of every set of modalities is the sum of the atoms that lie within it; of
-- a row that lacks some, of the sets of those that it has.
-- The largest difference of any row in nats, which is rounding: a millionth of the largest
-- atom or so, since the columns are single precision. Rows without values are left out.
--
--   lsmi-etl sql -f identities.sql --table annotated=annotated.parquet
--
-- The table is one of three modalities, annotated with --columns
-- atoms,i_1,i_2,i_3,i_12,i_13,i_23,i_123. Of two modalities it is
-- lsmi_check(r, u1, u2, s, i1, i2, i12).

SELECT
    count(difference) AS checked,
    count(*) - count(difference) AS left_out,
    max(difference) AS largest_difference
FROM (
    SELECT
        lsmi_check(
            a_1_2_3, a_1_2, a_1_3, a_2_3, a_1_23, a_2_13, a_3_12, a_1, a_2, a_3, a_12_13_23,
            a_12_13, a_12_23, a_13_23, a_12, a_13, a_23, a_123, i_1, i_2, i_3, i_12, i_13,
            i_23, i_123
        ) AS difference
    FROM annotated
);
