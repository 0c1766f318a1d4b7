//! The operators with `cluster=`, on a cluster of their own.

use std::fs;

use super::Airflow;
use super::examples::gaussian;

#[test]
fn tasks_give_their_files_to_a_cluster() {
    let airflow = Airflow::new("tests/airflow/dags");
    let data = airflow.data();
    for (file, rows) in [("a", 2000), ("b", 1000)] {
        gaussian(&data.join(format!("raw/{file}.parquet")), rows, rows);
    }
    let pipeline = "input = 'raw'\noutput = 'again'\n[annotate]\nbundle = 'bundle'\n";
    fs::write(data.join("pipeline.toml"), pipeline).unwrap();
    let ran = airflow.test("cluster", "2026-02-01");
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let state = airflow.state("cluster");
    assert_eq!(state.tasks(), [("annotate", "success", 1), ("run", "success", 1)]);
    let summary = state.xcom("annotate");
    assert_eq!((&summary["rows"], &summary["cluster"]["attempts"]), (&3000.into(), &2.into()), "{summary}");
    let pipeline = state.xcom("run");
    assert_eq!(pipeline["annotate"]["cluster"]["executors"], 1, "{pipeline}");
    for file in ["a.parquet", "b.parquet"] {
        let [one, two] = ["annotated", "again"].map(|folder| fs::read(data.join(folder).join(file)).unwrap());
        assert!(one == two, "{file}");
    }
}
