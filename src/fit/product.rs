//! Single-threaded matrix product for candle, through faer. Candle's own product queries the
//! number of cores on each call, which takes longer than the product of a batch. One thread
//! suffices, since trainings run in parallel.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// a·b for `[n, k]` and `[k, m]`, both f32 on the CPU, with gradients to both.
pub(crate) fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.apply_op2(b, Product)
}

struct Product;

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "product"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (a, b) = (view(a, a_layout)?, view(b, b_layout)?);
        if a.ncols() != b.nrows() {
            bail!("no product of {:?} and {:?}", a_layout.shape(), b_layout.shape());
        }
        let (rows, columns) = (a.nrows(), b.ncols());
        let mut out = vec![0f32; rows * columns];
        let target = MatMut::from_row_major_slice_mut(&mut out, rows, columns);
        matmul(target, Accum::Replace, a, b, 1.0, Par::Seq);
        Ok((CpuStorage::F32(out), (rows, columns).into()))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let of_a = if a.track_op() { Some(gradient.apply_op2_no_bwd(&b.t()?, &Self)?) } else { None };
        let of_b = if b.track_op() { Some(a.t()?.apply_op2_no_bwd(gradient, &Self)?) } else { None };
        Ok((of_a, of_b))
    }
}

/// A zero-copy view of a contiguous matrix, row-major or column-major.
fn view<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<MatRef<'a, f32>> {
    let (rows, columns) = layout.shape().dims2()?;
    let values = &storage.as_slice::<f32>()?[layout.start_offset()..][..rows * columns];
    if layout.is_contiguous() {
        Ok(MatRef::from_row_major_slice(values, rows, columns))
    } else if layout.is_fortran_contiguous() {
        Ok(MatRef::from_column_major_slice(values, rows, columns))
    } else {
        bail!("a matrix of strides {:?} is not packed", layout.stride())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn values_and_gradients_are_those_of_candle() -> Result<()> {
        let numbers = |n: usize| (0..n).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>();
        let x = Tensor::from_vec(numbers(60), (20, 3), &Device::Cpu)?.narrow(0, 4, 6)?;
        let w = Var::from_tensor(&Tensor::from_vec(numbers(12), (3, 4), &Device::Cpu)?)?;
        let v = Var::from_tensor(&Tensor::from_vec(numbers(8), (2, 4), &Device::Cpu)?)?;
        let ours = product(&product(&x, w.as_tensor())?.relu()?, &v.t()?)?;
        let theirs = x.matmul(w.as_tensor())?.relu()?.matmul(&v.t()?)?;
        let (a, b) = (ours.sqr()?.sum_all()?.backward()?, theirs.sqr()?.sum_all()?.backward()?);
        let off = |a: &Tensor, b: &Tensor| (a - b)?.abs()?.max_all()?.to_scalar::<f32>();
        assert!(off(&ours, &theirs)? < 1e-5);
        for var in [&w, &v] {
            assert!(off(a.get(var).unwrap(), b.get(var).unwrap())? < 1e-4);
        }
        Ok(())
    }
}
