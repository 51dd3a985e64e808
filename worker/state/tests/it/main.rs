//! State as a pipeline meets it: through the public interface, on a folder.

mod lifetime;
