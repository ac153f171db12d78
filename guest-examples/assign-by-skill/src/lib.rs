//! New conversations go to the team that has the skill they need.

use ringfence::prelude::*;

#[derive(Deserialize)]
struct Conversation {
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    text: String,
}

/// Who can do what.
#[derive(Deserialize, Schema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The team for conversations that need no skill listed here.
    fallback: String,
    /// Tried in this order.
    skills: Vec<Skill>,
}

/// A skill, and what tells that it is needed.
#[derive(Deserialize, Schema)]
#[serde(deny_unknown_fields)]
struct Skill {
    /// What the skill is called.
    skill: String,
    /// The team that has it.
    team: String,
    /// Languages that need it.
    #[serde(default)]
    languages: Vec<String>,
    /// Words that need it, in lower case.
    #[serde(default)]
    words: Vec<String>,
}

impl Skill {
    fn is_needed(&self, language: &str, words: &[&str]) -> bool {
        self.languages.iter().any(|known| known == language)
            || self.words.iter().any(|word| words.contains(&word.as_str()))
    }
}

/// Assigns a new conversation to the first team whose skill it needs.
#[rule(on = "conversation.created", acts = "conversation.assign")]
fn assign(conversation: Conversation, config: Config, ctx: &mut Context) -> Result<()> {
    let text = conversation.text.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let language = conversation.language.as_deref().unwrap_or("en");
    let mut skills = config.skills.iter();
    let assignment = match skills.find(|skill| skill.is_needed(language, &words)) {
        Some(found) => json!({"team": found.team, "skill": found.skill}),
        None => json!({"team": config.fallback}),
    };
    ctx.act("conversation.assign", &assignment)
}

#[cfg(test)]
mod tests {
    #[test]
    fn fixtures() {
        ringfence::testing::check_fixtures::<super::assign>("fixtures");
    }
}
