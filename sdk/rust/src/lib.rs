//! What a rule's author imports.
