use super::*;
#[test]
fn dump() {
    let u = "[upstream.posts]\nendpoints = ['http://127.0.0.1:9001']\n";
    let l = "[[listener]]\nlisten='127.0.0.1:3000'\nroutes=[{prefix='/',upstream='posts'}]\n";
    let r = |x: &str| {
        format!("{u}[[listener]]\nlisten='127.0.0.1:3000'\nroutes=[{{upstream='posts',{x}}}]\n")
    };
    let e = |x: &str| format!("{l}[upstream.posts]\nendpoints=[{x}]\n");
    let li = |x: &str| {
        format!("{u}[[listener]]\nlisten='{x}'\nroutes=[{{prefix='/',upstream='posts'}}]\n")
    };
    for t in [
        "".to_string(),
        u.into(),
        l.into(),
        "listener=[]\nupstream={}".into(),
        "listener=3\nupstream='x'".into(),
        format!("{u}[[listener]]\n"),
        format!("{u}[[listener]]\nlisten='127.0.0.1:3000'\nroutes=[]\n"),
        r("path='/a',prefix='/b'"),
        r(""),
        r("path='a'"),
        r("path='/a?b=1'"),
        r("path='/ä b'"),
        r("prefix='/',host='http://x'"),
        r("prefix='/',host='x.de:80'"),
        r("prefix='/',host='*.x.de'"),
        r("prefix='/',host='a..b'"),
        r("prefix='/',rewrite='x'"),
        r("pfad='/'"),
        e("'https://a'"),
        e("'ftp://a'"),
        e("'127.0.0.1:9001'"),
        e("''"),
        e("'http://a/x'"),
        e("'http://a/'"),
        e("'http://a?x'"),
        e("'http://u@a'"),
        e("'http://a:0'"),
        e("'http://a:99999'"),
        e("'http://'"),
        e("'http://127.0.0.300'"),
        e("'http://[::1]:80','http://[0:0:0::1]'"),
        e("'http://a:80','http://A'"),
        e("9001"),
        e(""),
        li("localhost:3000"),
        li(":3000"),
        li("127.0.0.1"),
        li("x"),
        format!("{u}{l}{l}"),
        format!("{u}{l}[admin]\nlisten='127.0.0.1:3000'"),
        format!("{u}{l}[admin]\nlisten='0.0.0.0:9900'"),
        format!("{u}{l}[admin]\n"),
        format!(
            "{u}[upstream.other]\nendpoints=['http://b']\n[[listener]]\nlisten='127.0.0.1:3000'\nroutes=[{{prefix='/',upstream='post'}},{{path='/a',upstream='posts'}},{{path='/a',upstream='posts'}}]\n"
        ),
        format!("{u}protocol='h2'\n{l}"),
        format!("{u}protocol='htp2'\n{l}"),
        format!("{u}connect_timeout='0s'\n{l}"),
        format!(
            "{u}[upstream.posts.policy.breaker]\nfailure_rte=0.5\nmin_calls='x'\nwindow={{calls=0}}\n{l}"
        ),
        format!("{u}[upstream.'a b']\nendpoints=['http://b']\n{l}"),
        format!("{u}[upstream.posts.policy]\ndeadline = 5s\nbreaker = {{ min_calls = 0 }}\n{l}"),
        format!("{u}endpoints = ['http://b']\n[upstream.posts.policy]\ndeadline = 5\n{l}"),
        format!("{u}[upstream.posts.policy]\ndeadline = [5\nbreaker = {{ min_calls = 0 }}\n{l}"),
        format!("{u}[upstream.posts.policy]\ndeadline 5\nbreaker = {{ min_calls = 0 }}\n{l}"),
        format!("{u}[upstream.posts.policy\nbreaker = {{ min_calls = 0 }}\n{l}"),
        format!("{u}[upstream.posts.policy]\ndeadline = \"5s\nbreaker = {{ min_calls = 0 }}\n{l}"),
    ] {
        println!("---------- {t}");
        match Config::parse("f.toml", &t) {
            Ok((p, w)) => {
                println!("OK {:?}", p.upstreams);
                for w in w {
                    println!("{w}")
                }
            }
            Err(e) => {
                for e in e {
                    println!("{e}")
                }
            }
        }
    }
    println!("{:#}", Config::schema());
}
