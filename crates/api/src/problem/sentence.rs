//! What callers are told of what went wrong: every sentence of this crate, in both languages side by side.
//!
//! Sentences about values of fields are the domain's (`message`), those about what the registry refuses are in
//! [`super::chinese`].
//!
//! **Invariant:** a sentence without one of its languages does not compile.

use gridwork_domain::language::Bilingual;

macro_rules! sentences {
    ($($name:ident $(($($part:ident: $type:ty = $sample:expr),+))? $chinese:literal $english:literal)+) => {
        /// A sentence, with what stands in it.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(crate) enum Sentence { $(#[doc = $english] $name $(($($type),+))?,)+ }

        impl Sentence {
            /// One of each.
            #[cfg(test)]
            pub(crate) fn samples() -> Vec<Self> {
                vec![$(Self::$name $(($($sample),+))?,)+]
            }
        }

        impl From<Sentence> for Bilingual {
            fn from(sentence: Sentence) -> Self {
                match sentence {
                    $(Sentence::$name $(($($part),+))? => Self {
                        chinese: format_args!($chinese).to_string(),
                        english: format_args!($english).to_string(),
                    },)+
                }
            }
        }
    };
}

sentences! {
    // The whole server.
    Busy "登记库正忙：没有丢失任何内容，请再试" "the registry is busy: nothing was lost, try again"
    DatabaseAway "数据库暂时不可用：没有丢失任何内容，请再试" "the database is away: nothing was lost, try again"
    DatabaseSilent "数据库没有应答" "the database does not answer"
    Contended "同时有别的改动：请再试" "other work came in between: try again"
    Uncertain
        "数据库在写入时断开：再试之前请先看是否已经写入"
        "the database went away while it wrote: look whether it did before you try again"
    KeyMissing
        "这台服务器缺少登记库的一把密钥，请告诉管理员；没有做任何改动"
        "this node lacks a key of the registry, which its log names: tell the operator; nothing was done"
    Stopping "服务器正在停止" "the server is stopping"
    Internal "原因记在服务器的日志里，按本次请求的编号查找" "the server's log has the reason under this request's id"
    NotFound "没有这个资源，或它不在您的区域内" "there is no such resource, or it lies outside your areas"
    MethodNotAllowed(allow: String = "GET".into()) "这个资源只有：{allow}" "this resource has: {allow}"
    ManyWaiting "排队的人太多：请再试" "too many are waiting for this: try again"
    MuchUnderWay "正在处理的内容太多：没有丢失任何内容，请再试" "too much is under way: nothing was lost, try again"
    ManyExchanges
        "这台设备同时发出的请求太多：请等待应答"
        "this device has too many requests under way: wait for their answers"
    ManyStreams
        "您打开的事件流太多：请关闭一个，或共用一个"
        "you have too many streams of events open: close one, or share it"
    ManyStreamsOfDevice
        "这台设备打开的事件流太多：请关闭一个"
        "this device has too many streams of events open: close one"
    SearchedPhones(seconds: u32 = 7)
        "一小时内按电话号码搜索的次数已满：请按姓名或地址搜索，或在 {seconds} 秒后再试"
        "you have searched by phone numbers as often as may be within an hour: search by name or address, or try again \
         after {seconds} seconds"
    TooOften(seconds: u32 = 7) "请求太频繁：请在 {seconds} 秒后再试" "too many requests: try again after {seconds} seconds"
    LongTarget(most: usize = 7) "路径和查询最多 {most} 字节" "path and query have at most {most} bytes"
    LargeHeaders(most: usize = 7) "请求头一共最多 {most} 字节" "headers have at most {most} bytes together"

    // Bodies.
    PlainJson "JSON 请求体不带 content-encoding" "a JSON body is sent without content-encoding"
    ContentType(is: String = "text/csv".into()) "content-type 应为 {is}" "content-type is {is}"
    TableType(is: String = "text/csv".into())
        "content-type 应为 {is}，不带 content-encoding"
        "content-type is {is}, without content-encoding"
    ContentLength "content-length 应为字节数" "content-length is a number of bytes"
    ContentEncoding "content-encoding 应为 zstd、gzip 或 identity" "content-encoding is zstd, gzip or identity"
    SlowBody(seconds: u64 = 7) "请求体在 {seconds} 秒后仍未到齐" "the body was not there after {seconds} seconds"
    NotAnObject "请求体不是 JSON 对象" "the body is not a JSON object"
    Misfit(reason: String = "x".into()) "请求体不合要求：{reason}" "the body does not fit: {reason}"
    NotJson(reason: String = "x".into()) "请求体不是 JSON：{reason}" "the body is not JSON: {reason}"
    TooLarge "请求体太大" "the body is too large"
    BrokenBody "请求体中断或格式有误：请重新发送" "the body broke off or is badly framed: send the request again"
    LongBody(most: usize = 7)
        "这里的请求体最多 {most} 字节：请分几次发送"
        "a body here has at most {most} bytes: send less at once"
    LargeUnpacked(most: usize = 7)
        "请求体解压后超过 {most} 字节：请分几次发送"
        "the body has more than {most} bytes after decompression: send less at once"
    Undecodable "请求体与它的 content-encoding 不符" "the body is not what its content-encoding says"

    // Queries and headers.
    Query(reason: String = "x".into()) "查询参数无法读取：{reason}" "the query cannot be read: {reason}"
    Cursor "应为这个列表上一页的 next" "is the next of an earlier page of this list"
    FromOneTo(most: u32 = 7) "应在 1 到 {most} 之间" "is from 1 to {most}"
    AtMost(most: u32 = 7) "最多为 {most}" "is at most {most}"
    Characters(most: usize = 7) "应为 1 到 {most} 个字" "has 1 to {most} characters"
    ControlCharacters "不能有控制字符" "has no control characters"
    AuditReason(most: usize = 7)
        "audit-reason 是一行 1 到 {most} 个字，百分号编码，只发送一次"
        "audit-reason is one line of 1 to {most} characters, percent-encoded, sent once"
    IdempotencyKey(most: usize = 7)
        "idempotency-key 是 1 到 {most} 个可见的 ASCII 字符，只发送一次"
        "idempotency-key is 1 to {most} visible ASCII characters, sent once"
    FirstUnderWay
        "带这个键的第一次请求还没有应答：请过一会儿再发送"
        "the first request with this key has no answer yet: send it again after a while"
    KeyOfAnother
        "这个键用在别的请求体、地址或版本上：每个新请求用自己的键"
        "this key came with another body, target or version: each new request has a key of its own"
    SeenOtherwise
        "这个请求已经完成，您的职务此后有变化，因此不再重复当时的答复：请重新读取"
        "this was done, and your offices have changed since, so that its answer is not given again: read what is there"
    NotKept
        "这件事已经完成，应答太大没有保留：请读取现有内容"
        "this was done, and its answer was too large to keep: read what is there"
    NoTag
        "if-match 应为住户附带的 etag（连同其双引号），或 *"
        "if-match is the etag that came with the household, its double quotes with it, or *"
    TagMissing
        "请把住户附带的 etag 作为 if-match 发送；* 覆盖现有内容"
        "send the etag that came with the household as if-match; * overwrites whatever is there"
    TagTwice "if-match 只发送一次" "send if-match once"

    // Who asks.
    OneToken
        "请发送一个 authorization 头：Bearer、空格和令牌"
        "send one authorization header: Bearer, a space and the token"
    TokenInvalid "访问令牌无效：请重新登录" "the access token does not hold: sign in again"
    SessionEnded "这个会话或密钥已经结束：请重新登录" "this session has ended, or this key: sign in again"
    KeyIsNoSession "密钥不是会话" "a key is no session"
    SecondFactor
        "管理员要出示一次性验证码：请先在 /v1/second-factor 设置，再用它登录"
        "an administrator shows one-time codes: set them up at /v1/second-factor, then sign in with one"
    KeyNotFor(word: &'static str = "read") "这个密钥不能用于操作 {word}" "this key is not for the operation {word}"
    NoOffice "您今天的职务不允许这样做" "no assignment that you hold today permits this"
    NoOfficeHere "您的职务不允许在这里做这个改动" "no assignment of yours permits this edit here"
    CodeToo "请同时发送验证器应用显示的验证码" "send the code that your authenticator app shows, too"
    SignInRefused
        "登录名与密码或验证码不符；多次失败后请等一会儿"
        "name and password, or the code, do not go together; after several failures wait a while"
    NoRefreshToken
        "这不是仍有效的会话的刷新令牌：请重新登录"
        "this is no refresh token of a session that goes on: sign in again"
    RefreshReused
        "这个令牌已经用过，可能被别人得到：会话已经结束"
        "this token was used before, so that somebody else may have it: the session has ended"
    NotAPermission(word: String = "x".into()) "{word} 不是权限表里的权限" "{word} is not a permission of the table"

    // Devices.
    ProofQuery "签名不包括查询参数：请不要发送" "the proof covers no query: send none"
    ProofHeader(name: &'static str = "x")
        "请发送一个 {name} 头：设备要给每个请求签名"
        "send one {name} header: a device signs each request"
    Proof(reason: String = "x".into()) "签名不成立：{reason}" "the proof does not hold: {reason}"
    StaleClock
        "请按 server_time_ms 校准时钟，用新的签名重新发送"
        "correct the clock by server_time_ms, and send the request again with a new proof"
    ProofReplayed "这个签名已经用过：每个请求都要重新签名" "this proof was used before: make a new one for each request"
    DeviceRevoked "这台设备已被吊销：请申请新的登记码" "this device was revoked: ask for a new enrolment code"
    DeviceToken
        "令牌不属于或不再属于签名的设备"
        "the token is not, or no longer, that of the device that signed"
    OtherDevice
        "消息里的设备不是令牌所属的设备"
        "the message names another device than the one whose token this is"
    PublicKey "应为 32 字节的 base64url，不带填充" "is 32 bytes in base64url without padding"
    KeyOfProof "签名的密钥标识应为请求体里的公钥" "the key id of the proof is the public key of the body"

    // What is shown masked, and emergencies.
    NotInFull(field: &'static str = "phone")
        "您的职务不允许在这里查看 {field} 的全文"
        "no assignment of yours lets you see {field} in full here"
    Fields(most: usize = 7) "应写 1 到 {most} 个字段" "names 1 to {most} fields"
    NoSuchField(name: String = "x".into(), record: &'static str = "residents")
        "{record} 没有字段 {name:?}"
        "{name:?} is no field of {record}"
    RevealedMuch
        "一小时内查看全文的次数已满：请过一会儿再试"
        "you have revealed as much as may be within an hour: wait a while"
    OneOfBoth "应写住户或区域之一" "name either a household or an area"
    OneLine(most: usize = 7) "应为一行 1 到 {most} 个字" "is one line of 1 to {most} characters"
    UnreadableNumber(word: &'static str = "unknown_key")
        "要查找的号码无法读取（{word}）：请用 GET /v1/sealing-key 的公钥密封"
        "the number that is sought cannot be read ({word}): seal it with the key of GET /v1/sealing-key"

    // Areas and households.
    FewAliases(most: usize = 7) "最多 {most} 个" "are {most} at most"
    NotYourHousehold "不是您区域内的住户" "is not a household in your areas"
    NotTwoHouseholds
        "一户并入另一户，两户都应在册：请重新查看"
        "a household is merged into another one, and both are open: look at them again"
    HouseholdChanged
        "您查看之后有人改动了这一户：请重新查看"
        "somebody changed the household since you saw it: look at it again"

    // Edits.
    NoGrid "请说明住户在哪个网格" "say in which grid the household is"
    NotYourGrid "不是您登记住户的网格" "is not a grid in which you register households"
    HouseholdExists "已有这个标识的住户" "there is a household of this id already"
    Refused(detail: String = "x".into(), word: &'static str = "value")
        "改动没有通过检查（{word}）：{detail}"
        "{detail} ({word})"
    SameFile
        "别人正在导入同一个文件：请再试"
        "the same file is being imported by somebody else: try it again"
    KeptDamaged
        "这条改动保存的内容已损坏，无法放行，它仍在原处：请作者重新登记，再作废它"
        "what was kept of this change is damaged, so that it cannot be released; it stays where it was: have its author \
         record it anew, then discard it"
    NoSuchStaff "没有这位工作人员" "there is no such member of staff"
}
