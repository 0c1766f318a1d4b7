//! Bundles of the shapes that `fit` writes, with random weights: speed does not depend
//! on them, and fitting wide models takes minutes.

use std::path::PathBuf;

use lsmi_etl::bundle::{
    Affine, BundleContents, Class, ClassifierFigures, DensityFigures, Figures, FittedFolds, Label, Mixture,
    Modality, ModelSet, Role, Scales, Stack, Training, Units,
};
use lsmi_etl::interaction::Subset;
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, tensor_proto::DataType, tensor_shape_proto::Dimension, tensor_shape_proto::dimension,
    type_proto,
};

use super::{folder, program, run};

const CLASSES: usize = 10;
const HIDDEN: usize = 64;

/// A bundle for two embeddings of `dim` values: mixtures of `components` Gaussians,
/// networks of 64 and 64, ten classes. Made anew by every build.
pub fn bundle(dim: usize, components: usize) -> PathBuf {
    written(
        &Shape { modalities: 2, dim, components, nested: false },
        &format!("bundle-{dim}-{components}"),
        |_| None,
    )
}

/// A bundle for three embeddings. The factors of nested densities of pairs begin with those of their
/// first modality.
pub fn bundle_of_three(dim: usize, components: usize, nested: bool) -> PathBuf {
    let name = format!("bundle-3-{dim}-{components}-{}", if nested { "nested" } else { "apart" });
    written(&Shape { modalities: 3, dim, components, nested }, &name, |_| None)
}

/// The same with five folds, whose models are the main ones, and the hashes of `rows` training rows.
pub fn folded_bundle(dim: usize, components: usize, rows: usize) -> PathBuf {
    let name = format!("bundle-{dim}-{components}-of-{rows}");
    written(&Shape { modalities: 2, dim, components, nested: false }, &name, |models| {
        let mut numbers = Numbers(7);
        let mut fold = || (0..rows / 5).map(|_| numbers.next().to_bits()).collect();
        Some(FittedFolds {
            models: vec![models.clone(); 5],
            rows: std::array::from_fn::<_, 5, _>(|_| fold()).to_vec(),
            key: Vec::new(),
        })
    })
}

/// The shape of a bundle's models.
struct Shape {
    modalities: usize,
    dim: usize,
    components: usize,
    nested: bool,
}

fn written(shape: &Shape, name: &str, folds: impl FnOnce(&ModelSet) -> Option<FittedFolds>) -> PathBuf {
    let dir = folder().join(name);
    let Shape { modalities, dim, components, nested } = *shape;
    let modality = |m: usize| Modality {
        column: Some(format!("x{}", m + 1)),
        dim,
        units: Units::Raw,
        mean_h_nats: None,
    };
    let label = Label {
        column: Some("y".to_owned()),
        classes: (0..CLASSES as i64).map(Class::Integer).collect(),
        prior: vec![1.0 / CLASSES as f64; CLASSES],
    };
    let mut numbers = Numbers(1);
    let sets: Vec<Subset> = Role::all(modalities).into_iter().map(Role::modalities).collect();
    let (of_densities, of_classifiers) = sets.split_at((1 << modalities) - 2);
    let mut densities: Vec<Mixture> = Vec::new();
    for set in of_densities {
        let mut density = mixture(&mut numbers, dim * set.len(), components);
        if let Some(first) = set.members().next().and_then(|m| densities.get(m)).filter(|_| nested) {
            begin_with(&mut density, first);
        }
        densities.push(density);
    }
    let classifiers = of_classifiers.iter().map(|set| stack(&mut numbers, vec![dim; set.len()]).into());
    let models = ModelSet { densities, classifiers: classifiers.collect() };
    let folds = folds(&models);
    let training = training(components, &models);
    let modalities = (0..modalities).map(modality).collect();
    let draft = BundleContents::fitted(modalities, label, training, &models, folds.as_ref());
    draft.write(&dir, true).unwrap();
    dir
}

/// Numbers that look like noise, in −1 to 1.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    fn vector(&mut self, length: usize, scale: f64) -> Vec<f64> {
        (0..length).map(|_| self.next() * scale).collect()
    }

    fn floats(&mut self, length: usize, scale: f64) -> Vec<f32> {
        (0..length).map(|_| (self.next() * scale) as f32).collect()
    }
}

fn mixture(numbers: &mut Numbers, dim: usize, components: usize) -> Mixture {
    let mut factors = vec![0.0; components * dim * dim];
    for (i, factor) in factors.iter_mut().enumerate() {
        let (row, column) = (i / dim % dim, i % dim);
        if column <= row {
            *factor = if column == row { 1.0 } else { numbers.next() / dim as f64 };
        }
    }
    Mixture {
        dim,
        log_weights: vec![-(components as f64).ln(); components],
        means: numbers.vector(components * dim, 1.0),
        factors,
        center: numbers.vector(dim, 0.1),
        scales: Scales::default(),
    }
}

/// Makes the first columns of a mixture those of another with as many components.
fn begin_with(mixture: &mut Mixture, first: &Mixture) {
    let (dim, width) = (mixture.dim, first.dim);
    mixture.center[..width].copy_from_slice(&first.center);
    for component in 0..first.log_weights.len() {
        mixture.means[component * dim..][..width].copy_from_slice(&first.means[component * width..][..width]);
        for row in 0..width {
            let (to, from) = ((component * dim + row) * dim, (component * width + row) * width);
            mixture.factors[to..][..width].copy_from_slice(&first.factors[from..][..width]);
        }
    }
}

fn stack(numbers: &mut Numbers, dims: Vec<usize>) -> Stack {
    let width: usize = dims.iter().sum();
    let mut affine = |inputs: usize, outputs: usize| Affine {
        inputs,
        outputs,
        weight: numbers.floats(inputs * outputs, 1.0 / (inputs as f64).sqrt()),
        bias: numbers.floats(outputs, 0.1),
    };
    let linear = affine(width, CLASSES);
    let mlp = vec![affine(width, HIDDEN), affine(HIDDEN, HIDDEN), affine(HIDDEN, CLASSES)];
    let (mean, scale) = (numbers.floats(width, 0.1), vec![1.0; width]);
    Stack { dims, mean, scale, linear: Some(linear), mlp, discriminant: None, betas: [0.5, 0.5, 0.0] }
}

/// Figures of no meaning but for the number of components.
fn training(components: usize, models: &ModelSet) -> Training {
    let density = DensityFigures { components, ..DensityFigures::default() };
    let classifier = ClassifierFigures { betas: [0.5; 2], ..ClassifierFigures::default() };
    Training {
        rows_seen: 0,
        rows_used: 0,
        seed: 0,
        density_fit: "none: random weights".to_owned(),
        validation: Figures {
            folds: None,
            trained_rows: 0,
            measured_rows: 0,
            densities: vec![density; models.densities.len()],
            classifiers: vec![classifier; models.classifiers.len()],
            ..Figures::default()
        },
        warnings: Vec::new(),
    }
}

/// A bundle that costs next to nothing: a density is the first value of x, the
/// classifiers' logits are the first ten.
pub fn trivial_bundle(dim: usize) -> PathBuf {
    let dir = folder().join(format!("bundle-{dim}-trivial"));
    let file = |name: &str, model: &ModelProto| {
        let path = folder().join(format!("trivial-{dim}-{name}.onnx"));
        std::fs::write(&path, prost::Message::encode_to_vec(model)).unwrap();
        path
    };
    let density = file("density", &first_values(dim, 1, &["x"]));
    let classifier = file("classifier", &first_values(dim, CLASSES, &["x"]));
    let pair = file("pair", &first_values(dim, CLASSES, &["x1", "x2"]));
    let classes: Vec<String> = (0..CLASSES).map(|class| class.to_string()).collect();
    let prior = vec![(1.0 / CLASSES as f64).to_string(); CLASSES];
    let mut pack = program();
    pack.args(["bundle", "pack"]).arg(&dir).args(["--overwrite", "--output", "logits"]);
    pack.args(["--classes", &classes.join(","), "--prior", &prior.join(",")]);
    pack.args(["--x1", "x1", "--x2", "x2", "--label", "y"]);
    pack.arg("--density-1").arg(&density).arg("--density-2").arg(&density);
    pack.arg("--classifier-1").arg(&classifier).arg("--classifier-2").arg(&classifier);
    run(pack.arg("--classifier-12").arg(&pair));
    dir
}

/// The graph of the first `count` values of its first input.
fn first_values(dim: usize, count: usize, inputs: &[&str]) -> ModelProto {
    let integers = |name: &str, value: usize| TensorProto {
        name: name.to_owned(),
        dims: vec![1],
        data_type: DataType::Int64 as i32,
        raw_data: (value as i64).to_le_bytes().to_vec(),
        ..Default::default()
    };
    let slice = NodeProto {
        op_type: "Slice".to_owned(),
        input: [inputs[0], "start", "end", "axis"].map(str::to_owned).to_vec(),
        output: vec!["out".to_owned()],
        ..Default::default()
    };
    let graph = GraphProto {
        name: "trivial".to_owned(),
        node: vec![slice],
        initializer: vec![integers("start", 0), integers("end", count), integers("axis", 1)],
        input: inputs.iter().map(|name| value(name, dim)).collect(),
        output: vec![value("out", count)],
        ..Default::default()
    };
    let opset = OperatorSetIdProto { domain: String::new(), version: 17 };
    ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..Default::default() }
}

/// A value of shape `[n, dim]`.
fn value(name: &str, dim: usize) -> ValueInfoProto {
    let sizes = [dimension::Value::DimParam("n".to_owned()), dimension::Value::DimValue(dim as i64)];
    let dim = sizes.map(|size| Dimension { denotation: String::new(), value: Some(size) }).to_vec();
    let tensor =
        type_proto::Tensor { elem_type: DataType::Float as i32, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            denotation: String::new(),
            value: Some(type_proto::Value::TensorType(tensor)),
        }),
        doc_string: String::new(),
    }
}
