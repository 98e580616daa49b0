//! The Forgewatch agent.
