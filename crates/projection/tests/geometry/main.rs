//! What a user of the geometry relies on, for every projection: round trips with stated bounds,
//! scales and solid angles against differences and closed forms, and an answer to any `f64`.

#[cfg(test)]
mod cameras;
#[cfg(test)]
mod cube_edges;
#[cfg(test)]
mod every_projection;
#[cfg(test)]
mod hostile_input;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod known_values;
#[cfg(test)]
mod layouts;
#[cfg(test)]
mod round_trips;
#[cfg(test)]
mod scales;
#[cfg(test)]
mod solid_angles;
