//! Two CPUs at once against one: packets that two queues of one device receive, each on its own CPU.

use super::{
    cost,
    group::Request,
    live::{
        self,
        stage::{Attached, Direction, Stage},
    },
    sample::Sample,
    table::{Budget, Row, Table},
};

/// What of the gain that a program has which does nothing must be left with the probe.
const LEFT: Budget = Budget::AtLeast(90.0);

/// The group.
///
/// # Errors
///
/// If there are no two CPUs, the kernel refuses something, or the probe does not count on both CPUs what
/// is received.
pub fn group(request: &Request, table: &mut Table) -> anyhow::Result<()> {
    let (runs, rounds) = if request.quick { (7, 1) } else { (25, 4) };
    let mut stage = Stage::new(&cost::config(), 2)?;
    for traffic in live::traffic() {
        let name = traffic.name;
        if !request.wants(name) {
            continue;
        }
        let loads = traffic.loads(Direction::Ingress, rounds);
        let (mut gains, mut left) = ([Vec::new(), Vec::new()], Vec::new());
        for _ in 0..runs {
            let mut gain = [0.0; 2];
            for (gain, attached) in gain.iter_mut().zip([Attached::Empty, Attached::Probe]) {
                let mut passed = |cpus: &[usize]| -> anyhow::Result<f64> {
                    Ok(stage.run(Direction::Ingress, attached, &loads, cpus)?.per_second())
                };
                let one = passed(&[0])?;
                *gain = passed(&[0, 1])? / one;
            }
            for (gains, gain) in gains.iter_mut().zip(gain) {
                gains.push(gain);
            }
            left.push(100.0 * gain[1] / gain[0]);
        }
        for (gains, attached) in gains.into_iter().zip([Attached::Empty, Attached::Probe]) {
            let what = format!("{name}, two CPUs: {}", attached.name());
            table.add(Row::new("cores", what, &Sample::new(gains), "x"));
        }
        let what = format!("{name}, two CPUs: gain left by the probe");
        table.add(Row::new("cores", what, &Sample::new(left), "%").budget(LEFT));
    }
    Ok(())
}
