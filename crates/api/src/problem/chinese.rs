//! What the registry and the sync refuse, in Chinese: their own sentences are the English ones.
//!
//! **Invariant:** each variant has its sentence; the matches are exhaustive.

use gridwork_domain::language::{Bilingual, Language};
use gridwork_registry::{AdministerError, ApiKeyError, BreakGlassError, EnrolError, SecondFactorError};
use gridwork_sync::change::BuildError;
use gridwork_sync::message::{ENCODER, MessageError, PROTOCOL};
use gridwork_sync::receipt::{MOST_ATTESTED, MOST_AUTHORS};

/// An error whose own text is the English sentence.
pub(super) trait Told: std::error::Error {
    /// The Chinese one.
    fn chinese(&self) -> String;

    /// Both.
    fn told(&self) -> Bilingual {
        Bilingual { chinese: self.chinese(), english: self.to_string() }
    }
}

impl Told for MessageError {
    fn chinese(&self) -> String {
        match self {
            Self::Undecodable(reason) => format!("请求体不是同步消息：{reason}"),
            Self::Version(protocol, encoder) => {
                format!("服务器使用同步协议 {PROTOCOL} 和编码器 {ENCODER}，不是 {protocol} 和 {encoder}：请更新应用")
            }
            Self::TooMany(what, most) => format!("请求里的 {what} 超过 {most} 个：请分几次发送"),
            Self::Document => "请求里有不存在的文档种类".into(),
            Self::Receipt => {
                format!("请求里有残缺的回执，或回执的改动超过 {MOST_ATTESTED} 项、作者超过 {MOST_AUTHORS} 位")
            }
        }
    }
}

impl Told for BuildError {
    fn chinese(&self) -> String {
        match self {
            Self::NoSuchRecord(path) => format!("这一户里没有记录 {path}"),
            Self::NoSuchContainer(name) => format!("这个版本没有 {name}"),
            Self::Exists(path) => format!("记录 {path} 已经存在：请更正它的字段"),
            Self::Nothing => "没有要改的内容：住户的内容已经如此".into(),
            Self::UnknownHeads => "文档没有这个版本：请重新读取".into(),
            Self::Twice(path) => format!("一次改动里 {path} 写了两次"),
            Self::TooLarge(reason) => format!("一次放不下这么多改动（{reason}）：请分几次"),
        }
    }
}

impl Told for AdministerError {
    fn chinese(&self) -> String {
        match self {
            Self::Area(error) => error.message(Language::Chinese),
            Self::NotNew => "登记库里已有区域或工作人员：请在另一个文件夹新建".into(),
            Self::NoSuchArea(area) => format!("没有区域 {area}：请先设立"),
            Self::NoSuchStaff => "没有这位工作人员：请先任命".into(),
            Self::StaffName => "工作人员有 1 到 64 个字的姓名".into(),
            Self::SignInName => "登录名由 1 到 64 个 a-z、0-9、点、连字符和下划线组成".into(),
            Self::SignInTaken => "这个登录名属于别人：请另选一个".into(),
            Self::Password => "密码太短或太长：请按要求的长度另选一个".into(),
            Self::CodeTaken => "另一个区域用了这个代码：请先撤销那个区域，或给它另一个代码".into(),
            Self::AreasWithin => "其中还有在用的区域：请先撤销它们".into(),
            Self::AreaClosed => "它所在的区域已撤销：请先恢复那个区域".into(),
            Self::LedAlready => "这段时间里这个网格已有网格长：一个网格只有一位负责人，请先结束那个任期".into(),
            Self::MachineClient => "这是机器客户端，已有密钥，不能有手机：请吊销密钥，或任命别人".into(),
            Self::Term => "任期在开始之后结束".into(),
            Self::Past => "任期不能在过去开始或结束".into(),
            Self::WrongPassword => "这不是您的密码；多次失败后请等一会儿".into(),
            Self::Oneself => "这件事由另一位管理员为您做".into(),
            Self::NoSuchDevice => "没有这台设备，或它已被吊销".into(),
            Self::NoSuchAssignment => "没有人担任这个职务".into(),
            Self::Store(_) => "登记库没有完成".into(),
        }
    }
}

impl Told for SecondFactorError {
    fn chinese(&self) -> String {
        match self {
            Self::Exists => "您已有第二重验证：丢失时由管理员为您取消".into(),
            Self::NotBegun => "没有待确认的密钥：请先开始".into(),
            Self::Code => "这不是现在的验证码，或它已经用过".into(),
            Self::Store(_) => "登记库没有完成".into(),
        }
    }
}

impl Told for ApiKeyError {
    fn chinese(&self) -> String {
        match self {
            Self::Name => "密钥有 1 到 64 个字的名称".into(),
            Self::Scopes => "密钥至少有一项权限；不能用于管理和同步，也不能代替个人账户".into(),
            Self::Expiry => "密钥在 400 天之内到期".into(),
            Self::TooMany => "密钥太多：请先吊销一个".into(),
            Self::Phone => "密钥用于机器客户端，这个人有手机或登记码：请另外任命一个".into(),
            Self::Person => "密钥用于机器客户端：请任命一个没有密码的".into(),
            Self::NoSuchKey => "没有这个密钥，或它已被吊销".into(),
            Self::Administer(error) => error.chinese(),
        }
    }
}

impl Told for BreakGlassError {
    fn chinese(&self) -> String {
        match self {
            Self::NoSuchHousehold => "没有这一户".into(),
            Self::NoSuchArea => "没有这个区域".into(),
            Self::TooMany => "您正在生效的紧急查阅太多：请写明这些住户所在的区域".into(),
            Self::NoSuchEntry => "没有这条记录".into(),
            Self::Oneself => "您自己做的由别人审查".into(),
            Self::Reviewed => "已经审查过".into(),
            Self::Store(_) => "登记库没有完成".into(),
        }
    }
}

impl Told for EnrolError {
    fn chinese(&self) -> String {
        match self {
            Self::Code => "这个登记码不存在、已使用或已过期：请重新申请".into(),
            Self::NoScope => "登记码的主人不在任何网格工作：请先分派".into(),
            Self::TooManyScopes => "登记码的主人负责的网格太多：一台手机放不下".into(),
            Self::Replayed => "这个请求已经应答过：请重新签名".into(),
            Self::Store(_) => "登记库没有完成".into(),
        }
    }
}
