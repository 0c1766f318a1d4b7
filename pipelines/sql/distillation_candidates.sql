-- From which samples can a student with x2 learn most from a teacher with x1?
--
-- The 10 % of samples with the highest uniqueness of x1, restricted to those on which x1
-- predicts the label better than the prior (i1 = r + u1 > 0): the teacher has information
-- that the student's modality lacks. For a teacher with x2, exchange u1 and u2.
-- Rows that lack a modality are left out.
--
-- Of two modalities. On a table of more, whose r, u1, u2 and s do not add up to i, the query
-- ends with an error: u3 would be ambiguous.
--
--   lsmi-etl sql -f distillation_candidates.sql --table annotated=digits.parquet
--
-- Columns: replace id and label by the table's own columns.

WITH two_modalities AS (
    SELECT *, NULL AS u3 FROM annotated
)
SELECT id, label, u1, r + u1 AS teacher_nats, r + u2 AS student_nats
FROM (
    SELECT *, ntile(10) OVER (ORDER BY u1 DESC, id) AS tenth
    FROM two_modalities
    WHERE r IS NOT NULL
)
WHERE tenth = 1 AND r + u1 > 0
ORDER BY u1 DESC, id;
