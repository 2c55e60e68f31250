//! Staff 人员 and their devices, for those who administer all areas in which these work; and everybody's own password.

use crate::body::Body;
use crate::caller::Caller;
use crate::edit;
use crate::limits::LARGEST_SIGN_IN_BODY_BYTES;
use crate::problem::Problem;
use crate::request_parts::{Filter, Ids, page};
use crate::state::State;
use crate::view::PageBody;
use crate::view::staff::{DeviceBody, DevicesBody, StaffBody};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, delete, get, post, put, web};
use gridwork_domain::id::{AreaId, DeviceId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Role, Staff};
use gridwork_registry::{Administration, KeptAnswer, StaffView};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// Which members of staff.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StaffQuery {
    /// Only those with an office in this area.
    #[param(value_type = Option<String>)]
    area: Option<AreaId>,
    /// `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Somebody new.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStaff {
    /// Their name, 1 to 64 characters.
    #[schema(example = "王秀英")]
    name: String,
    /// The name with which they sign in: 1 to 64 of a-z, 0-9, full stop, hyphen and underscore.
    #[schema(example = "wang.xiuying")]
    sign_in: String,
    /// With which they sign in, 10 to 128 characters. Who works with a phone alone needs none.
    #[serde(default)]
    #[schema(format = Password)]
    password: Option<String>,
    /// Their first office.
    office: NewOffice,
}

/// A term of office to come.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOffice {
    /// As what.
    #[schema(value_type = String, example = "call_agent")]
    role: Role,
    /// Where: that area and all within it.
    #[schema(value_type = String, example = "AZk2b0cRcAC7rJ0l7m9m1g")]
    area: AreaId,
    /// From this instant, milliseconds since 1970-01-01 UTC; from now on if it is left out.
    #[serde(default)]
    from_ms: Option<i64>,
    /// Before this instant; without end if it is left out.
    #[serde(default)]
    until_ms: Option<i64>,
}

/// A password that somebody gives to somebody else.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// 10 to 128 characters.
    #[schema(format = Password)]
    password: String,
}

/// Another password for oneself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnPassword {
    /// The one that you have.
    #[schema(format = Password)]
    old_password: String,
    /// The one that you want, 10 to 128 characters.
    #[schema(format = Password)]
    new_password: String,
}

/// List staff
///
/// Those whose areas all lie within yours, by page. A page may hold fewer than its limit and yet not be the last.
#[utoipa::path(
    operation_id = "listStaff",
    tag = "staff",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(StaffQuery),
    responses((status = 200, description = "A page of staff.", body = PageBody<StaffBody>))
)]
#[get("/v1/staff")]
pub(crate) async fn list(
    caller: Caller,
    query: Filter<StaffQuery>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<StaffBody>>, Problem> {
    let (after, limit) = page(query.0.after.as_deref(), query.0.limit)?;
    let found = state.registry.staff(caller.precinct(), query.0.area, after, limit, caller.now).await?;
    Ok(web::Json(PageBody::of_staff(found)))
}

/// Appoint a member of staff
///
/// Somebody new, together with their first office, in an area that you administer.
#[utoipa::path(
    operation_id = "appointStaff",
    tag = "staff",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    request_body = NewStaff,
    responses((
        status = 201,
        description = "They are appointed.",
        body = StaffBody,
        headers(("Location" = String, description = "Where they are read."))
    ))
)]
#[post("/v1/staff")]
pub(crate) async fn appoint(
    caller: Caller,
    body: Body<NewStaff>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let NewStaff { name, sign_in, password, office } = body.0;
    let id = StaffId::new(caller.now, edit::random()?);
    let appoint = Administration::AppointStaff { staff: Staff { id, name, sign_in }, password };
    let steps = vec![appoint, office.of(id, caller.now)];
    let location = format!("/v1/staff/{id}");
    let keep = caller.keep({
        let location = location.clone();
        move |view: &StaffView| {
            let made = edit::json(StatusCode::CREATED, &StaffBody::from(view.clone()));
            KeptAnswer { location: Some(location.clone()), ..made }
        }
    });
    let keep = keep.map(|keep| (id, keep));
    state.registry.administer_once(caller.staff, caller.precinct(), steps, caller.now, keep).await?;
    let view = state.registry.staff_member(caller.precinct(), id, caller.now).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).insert_header((header::LOCATION, location)).json(StaffBody::from(view)))
}

/// Read a member of staff
///
/// With every term of office, also those that have ended.
#[utoipa::path(
    operation_id = "readStaff",
    tag = "staff",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(("staff" = String, Path, description = "The member of staff.")),
    responses((status = 200, description = "The member of staff.", body = StaffBody))
)]
#[get("/v1/staff/{staff}")]
pub(crate) async fn read(
    caller: Caller,
    staff: Ids<StaffId>,
    state: web::Data<State>,
) -> Result<web::Json<StaffBody>, Problem> {
    let view = state.registry.staff_member(caller.precinct(), staff.0, caller.now).await;
    Ok(web::Json(view.map_err(Problem::of_administered)?.into()))
}

/// Assign an office
///
/// A term of office in an area that you administer; the same role, area and beginning again changes its end. Nobody
/// assigns offices to themselves.
#[utoipa::path(
    operation_id = "assignOffice",
    tag = "staff",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(("staff" = String, Path, description = "The member of staff.")),
    request_body = NewOffice,
    responses((status = 200, description = "The member of staff.", body = StaffBody))
)]
#[post("/v1/staff/{staff}/offices")]
pub(crate) async fn assign(
    caller: Caller,
    staff: Ids<StaffId>,
    body: Body<NewOffice>,
    state: web::Data<State>,
) -> Result<web::Json<StaffBody>, Problem> {
    let keep = caller.keep(|view: &StaffView| edit::json(StatusCode::OK, &StaffBody::from(view.clone())));
    let (keep, steps) = (keep.map(|keep| (staff.0, keep)), vec![body.0.of(staff.0, caller.now)]);
    let done = state.registry.administer_once(caller.staff, caller.precinct(), steps, caller.now, keep).await;
    done.map_err(Problem::of_administered)?;
    let view = state.registry.staff_member(caller.precinct(), staff.0, caller.now).await;
    Ok(web::Json(view.map_err(Problem::of_administered)?.into()))
}

/// End an office
///
/// The terms of office in this role and area end now. What the office permitted ends with it, at the next request.
#[utoipa::path(
    operation_id = "endOffice",
    tag = "staff",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(
        ("staff" = String, Path, description = "The member of staff."),
        ("role" = String, Path, description = "The role.", example = "call_agent"),
        ("area" = String, Path, description = "The area.")
    ),
    responses(
        (status = 204, description = "It has ended."),
        (status = 422, description = "They do not hold this office, or the area is not one of yours.")
    )
)]
#[delete("/v1/staff/{staff}/offices/{role}/{area}")]
pub(crate) async fn end_office(
    caller: Caller,
    ids: Ids<(StaffId, Role, AreaId)>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (staff, role, area) = ids.0;
    administer(&caller, &state, Administration::EndAssignment { staff, role, area, until: caller.now }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Set a password
///
/// For somebody who lost theirs. All their sessions end. Your own you change with the old one.
#[utoipa::path(
    operation_id = "setPassword",
    tag = "staff",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(("staff" = String, Path, description = "The member of staff.")),
    request_body = NewPassword,
    responses((status = 204, description = "It is set."))
)]
#[put("/v1/staff/{staff}/password")]
pub(crate) async fn set_password(
    caller: Caller,
    staff: Ids<StaffId>,
    body: Body<NewPassword, LARGEST_SIGN_IN_BODY_BYTES>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let what = Administration::SetPassword { staff: staff.0, password: body.0.password };
    administer(&caller, &state, what).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Change your password
///
/// With the one that you have. All your other sessions end.
#[utoipa::path(
    operation_id = "changePassword",
    tag = "sign-in",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("own_account"))),
    request_body = OwnPassword,
    responses((status = 204, description = "It is changed."))
)]
#[put("/v1/password")]
pub(crate) async fn change_password(
    caller: Caller,
    body: Body<OwnPassword, LARGEST_SIGN_IN_BODY_BYTES>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let OwnPassword { old_password, new_password } = body.0;
    state.registry.change_password(caller.staff, caller.session()?, old_password, new_password, caller.now).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// List the devices of a member of staff
///
/// With their last contacts, also those that were revoked.
#[utoipa::path(
    operation_id = "listDevices",
    tag = "devices",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(("staff" = String, Path, description = "The member of staff.")),
    responses((status = 200, description = "Their devices.", body = DevicesBody))
)]
#[get("/v1/staff/{staff}/devices")]
pub(crate) async fn devices(
    caller: Caller,
    staff: Ids<StaffId>,
    state: web::Data<State>,
) -> Result<web::Json<DevicesBody>, Problem> {
    let views = state.registry.devices_within(caller.precinct(), staff.0, caller.now).await;
    let items = views.map_err(Problem::of_administered)?.into_iter().map(DeviceBody::from).collect();
    Ok(web::Json(DevicesBody { items }))
}

/// Revoke a device
///
/// Its token stops at once: what it recorded and did not send yet stays on it.
#[utoipa::path(
    operation_id = "revokeDevice",
    tag = "devices",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("administer"))),
    params(
        ("staff" = String, Path, description = "The member of staff."),
        ("device" = String, Path, description = "The device.")
    ),
    responses((status = 204, description = "It is revoked."))
)]
#[delete("/v1/staff/{staff}/devices/{device}")]
pub(crate) async fn revoke_device(
    caller: Caller,
    ids: Ids<(StaffId, DeviceId)>,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (staff, device) = ids.0;
    let revoked = state.registry.revoke_device(caller.staff, caller.precinct(), staff, device, caller.now).await;
    revoked.map_err(Problem::of_administered)?;
    Ok(HttpResponse::NoContent().finish())
}

impl NewOffice {
    fn of(self, staff: StaffId, now: Instant) -> Administration {
        let from = self.from_ms.map_or(now, Instant::from_ms);
        let until = self.until_ms.map(Instant::from_ms);
        Administration::Assign(Assignment { staff, role: self.role, area: self.area, from, until })
    }
}

/// Does one thing to the member of staff whom the path names.
async fn administer(caller: &Caller, state: &State, what: Administration) -> Result<(), Problem> {
    let done = state.registry.administer_within(caller.staff, caller.precinct(), vec![what], caller.now).await;
    done.map_err(Problem::of_administered)
}
