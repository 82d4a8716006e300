//! axum: errors as responses.

use crate::Error;
use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};

/// What a client of ours is told of a call that came to nothing: see [`explain`](Error::explain). Of the
/// operation's own error it is told only that there was one, as 502: who wants to say more makes its own
/// response of what [`into_inner`](Error::into_inner) gives.
///
/// ```
/// use axum::{Json, Router, extract::State, routing::get};
/// use breakerbox::{Control, Error, Pipeline, breaker};
/// use std::io;
/// use tower::ServiceExt;
///
/// async fn data(State(posts): State<Pipeline>) -> Result<Json<u32>, Error<io::Error>> {
///     let post = posts.call(async || Ok(1)).await?;
///     Ok(Json(post))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let posts = Pipeline::builder("posts").breaker(breaker::Settings::default()).build()?;
/// posts.control(Control::Isolate);
/// let router: Router = Router::new().route("/data", get(data)).with_state(posts);
/// let request = http::Request::get("/data").body(axum::body::Body::empty())?;
/// assert_eq!(router.oneshot(request).await?.status(), 503);
/// # Ok(()) }
/// ```
impl<E> IntoResponse for Error<E> {
    fn into_response(self) -> Response {
        self.explain().to_response().map(Body::from)
    }
}
