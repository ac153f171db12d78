//! Attack: emits ten events of its own trigger. Each is different from all
//! before, so that only the cascade's budget ends it.

use ringfence::prelude::*;

#[derive(Deserialize, Serialize)]
struct Task {
    /// Its place in the family, for example `0.3.7`.
    #[serde(default)]
    path: String,
}

/// Makes ten tasks of each task.
#[rule(on = "task.created", emits = "task.created")]
fn spread(task: Task, ctx: &mut Context) -> Result<()> {
    for child in 0..10 {
        let path = format!("{}.{child}", task.path);
        ctx.emit("task.created", &*format!("task{path}"), &Task { path })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::spread>("fixtures");
    }
}
