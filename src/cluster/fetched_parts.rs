//! The rows of a part, and the parts of a file as they are fetched from the executors that have computed them.

use std::sync::{Arc, Mutex, PoisonError};

use ballista_core::serde::protobuf::PartitionLocation;
use datafusion::arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use futures::TryStreamExt;
use prost::Message;
use tokio::sync::mpsc;

use super::measures::UnitMeasures;
use super::partition::Executors;
use super::tls::Tls;
use super::unit::{Part, bytes_batch, bytes_of};

/// Frames between a worker and Ballista, of some 50 KB each.
pub(super) const FRAMES: usize = 16;

/// The first byte of a row that is a frame.
const FRAME: u8 = 0;
/// The first byte of the last row.
const END: u8 = 1;

/// A row of a part.
pub(super) enum PartRow {
    /// A frame of its journal.
    Frame(Vec<u8>),
    /// The end of the part, and what was measured until then.
    End(UnitMeasures),
}

impl PartRow {
    /// As a batch.
    pub(super) fn batch(self) -> DataFusionResult<RecordBatch> {
        let row = match self {
            Self::Frame(frame) => [&[FRAME][..], &frame].concat(),
            Self::End(measures) => {
                let external = |e| DataFusionError::External(Box::new(e));
                let measures = rmp_serde::to_vec_named(&measures).map_err(external)?;
                [&[END][..], &measures].concat()
            }
        };
        bytes_batch(&row)
    }

    fn read(row: &[u8]) -> Option<Self> {
        match row.split_first()? {
            (&FRAME, frame) => Some(Self::Frame(frame.to_owned())),
            (&END, measures) => rmp_serde::from_slice(measures).ok().map(Self::End),
            _ => None,
        }
    }
}

/// What is known of parts that are fetched.
#[derive(Debug, Default)]
pub(super) struct FetchedParts(Arc<Mutex<UnitMeasures>>);

impl FetchedParts {
    /// Begins to fetch the frames of these parts, as far as they are computed and their executors are there.
    pub(super) fn begin(parts: &[Part], tls: Option<Tls>) -> (mpsc::Receiver<Vec<u8>>, Self) {
        let (frames, fetched) = mpsc::channel(FRAMES);
        let places: Vec<Vec<u8>> = parts.iter().map_while(|part| part.place.clone()).collect();
        let measures = Arc::<Mutex<UnitMeasures>>::default();
        if !places.is_empty() {
            let of_parts = Arc::clone(&measures);
            tokio::spawn(async move {
                let mut executors = Executors::new(tls.as_ref());
                for place in places {
                    match fetch(&mut executors, &place, &frames).await {
                        Ok(measures) => lock(&of_parts).merge(&measures),
                        Err(why) => {
                            tracing::warn!("the rows of a part are computed again: {why}");
                            return;
                        }
                    }
                }
            });
        }
        (fetched, Self(measures))
    }

    /// What was measured of the parts that are fetched.
    pub(super) fn measures(&self) -> UnitMeasures {
        lock(&self.0).clone()
    }
}

fn lock(measures: &Mutex<UnitMeasures>) -> std::sync::MutexGuard<'_, UnitMeasures> {
    measures.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn fetch(
    executors: &mut Executors,
    place: &[u8],
    frames: &mpsc::Sender<Vec<u8>>,
) -> Result<UnitMeasures, String> {
    let place = PartitionLocation::decode(place).map_err(|e| e.to_string())?;
    let mut batches = executors.open(place).await?;
    let mut measures = UnitMeasures::default();
    while let Some(batch) = batches.try_next().await.map_err(|e| e.to_string())? {
        let rows: Vec<PartRow> = match bytes_of(&batch) {
            Ok(rows) => rows.iter().flatten().filter_map(PartRow::read).collect(),
            Err(e) => return Err(e.to_string()),
        };
        for row in rows {
            match row {
                PartRow::Frame(frame) => {
                    frames.send(frame).await.map_err(|_| "its file has ended".to_owned())?;
                }
                PartRow::End(measured) => measures = measured,
            }
        }
    }
    Ok(measures)
}
