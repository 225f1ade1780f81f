#include "ctl/cli/pages.h"

#include <gtest/gtest.h>

namespace fairlead::cli {
namespace {

using nlohmann::json;

const Clock::time_point kNow = Clock::from_time_t(1'700'000'000);

json good_status() {
    return json::parse(R"({
        "node": "lb1", "version": "0.1.0", "pid": 100, "started": "2023-11-14T22:09:10Z",
        "generation": 42,
        "config": {"file": "/etc/fairlead/fairlead.toml", "loaded": "2023-11-14T20:08:20Z",
                   "last_reload_ok": true, "last_reload_error": ""},
        "engine": {"up": true, "state": "forwarding", "pid": 101, "version": "0.1.0", "hugepages": false,
            "generation": 42,
            "workers": [
                {"worker": 0, "cpu": 2, "acknowledged": 42, "packets": 123456, "busy_seconds": 1.25,
                 "flow_entries": 100, "flow_capacity": 1000},
                {"worker": 1, "cpu": 3, "acknowledged": 42, "packets": 7, "busy_seconds": 0,
                 "flow_entries": 0, "flow_capacity": 1000}],
            "ports": [
                {"name": "edge", "driver": "net_af_xdp", "up": true, "interface": "eth0",
                 "xdp_mode": "native", "zero_copy": false, "conditions": [],
                 "receive_packets": 123463, "receive_bytes": 2097152, "receive_missed_packets": 0, "transmit_packets": 1,
                 "transmit_bytes": 60}]},
        "services": {"total": 2, "up": 2},
        "backends": {"total": 5, "serving": 5, "draining": 0, "out": 0},
        "overrides": 1, "problems": []})");
}

TEST(StatusPage, IsOnePage) {
    EXPECT_EQ(
        status_page(good_status(), Look{}, kNow),
        "Node       lb1, fairlead 0.1.0, lbd pid 100, running for 4m10s\n"
        "Engine     forwarding, pid 101, generation 42 acknowledged by all 2 workers, no "
        "huge pages\n"
        "Services   2 of 2 up\n"
        "Backends   5 serving, 0 draining, 0 out, of 5\n"
        "Overrides  1\n"
        "Config     /etc/fairlead/fairlead.toml, loaded 2h05m ago\n"
        "\n"
        "WORKER  CPU  ACKNOWLEDGED  PACKETS   BUSY  FLOWS  CAPACITY    USED\n"
        "     0    2            42   123456  1.2 s    100      1000  10.0 %\n"
        "     1    3            42        7  0.0 s      0      1000   0.0 %\n"
        "\n"
        "PORT  DRIVER      INTERFACE     LINK  RECEIVED PACKETS     BYTES  MISSED  SENT "
        "PACKETS  BYTES\n"
        "edge  net_af_xdp  eth0, native  up              123463  2.00 MiB       0             "
        "1   60 B\n"
        "\n"
        "No problems.\n");
}

TEST(StatusPage, SaysAPortsVlan) {
    json status = good_status();
    status["engine"]["ports"][0]["vlan"] = 0;
    EXPECT_EQ(status_page(status, Look{}, kNow).find("VLAN"), std::string::npos);
    status["engine"]["ports"][0]["vlan"] = 7;
    EXPECT_NE(status_page(status, Look{}, kNow).find("\nedge (VLAN 7)  net_af_xdp  eth0, native"),
              std::string::npos);
}

TEST(StatusPage, SaysProblemsAsSentences) {
    json status = good_status();
    status["problems"] = {"Backend portal/app-2 is down: connection refused."};
    status["engine"]["workers"][1]["acknowledged"] = 41;
    status["config"]["last_reload_ok"] = false;
    const std::string page = status_page(status, Look{}, kNow);
    EXPECT_NE(page.find("\n1 problem\n  Backend portal/app-2 is down: connection refused.\n"),
              std::string::npos);
    EXPECT_NE(page.find("generation 42 not acknowledged by 1 of 2 workers"), std::string::npos);
    EXPECT_NE(page.find("last reload failed"), std::string::npos);
}

TEST(StatusPage, SaysThatNothingIsForwardedWithoutAnEngine) {
    json status = good_status();
    status["engine"] = json{{"up", false}};
    const std::string page = status_page(status, Look{}, kNow);
    EXPECT_NE(page.find("Engine     not running: nothing is forwarded\n"), std::string::npos);
    EXPECT_EQ(page.find("WORKER"), std::string::npos);
}

TEST(StatusPage, DoesNotCallAnEngineForwardingThatIsNot) {
    json status = good_status();
    status["engine"]["state"] = "stalled";
    status["engine"]["workers"][1]["stalled"] = true;
    std::string page = status_page(status, Look{}, kNow);
    EXPECT_NE(page.find("Engine     stands still (1 of 2 workers), pid 101"), std::string::npos);
    status["engine"]["workers"][1]["stalled"] = false;
    page = status_page(status, Look{}, kNow);
    EXPECT_NE(page.find("Engine     its control thread stands still"), std::string::npos);
    status["engine"]["state"] = "starting";
    page = status_page(status, Look{}, kNow);
    EXPECT_NE(page.find("Engine     starting, forwards nothing yet"), std::string::npos);
    status["engine"] = json{{"up", true}, {"state", "unreadable"}};
    page = status_page(status, Look{}, kNow);
    EXPECT_NE(page.find("Engine     runs, but cannot be read\n"), std::string::npos);
}

TEST(StatusPage, SaysWhatIsWrongWithAPort) {
    json status = good_status();
    json& port = status["engine"]["ports"][0];
    port["zero_copy"] = true;
    port["conditions"] = {"no_carrier", "tags_taken_off"};
    EXPECT_NE(
        status_page(status, Look{}, kNow)
            .find("\nedge  net_af_xdp  eth0, native, zero copy  no_carrier, tags_taken_off  "),
        std::string::npos);
    port["interface"] = nullptr;
    port["conditions"] = json::array();
    EXPECT_NE(status_page(status, Look{}, kNow).find("\nedge  net_af_xdp  -          up"),
              std::string::npos);
}

TEST(StatusPage, OfAnEmptyAnswerIsNoCrash) {
    EXPECT_NE(status_page(json::object(), Look{}, kNow), "");
    EXPECT_NE(backend_table(json::array({json()}), Look{}, kNow), "");
    EXPECT_NE(service_table(json::array({3}), Look{}), "");
    EXPECT_NE(health_table(json::array({"x"}), Look{}, kNow), "");
}

TEST(Check, IsOkWarningOrCritical) {
    json status = good_status();
    EXPECT_EQ(judge(status).result, CheckResult::kOk);
    EXPECT_EQ(judge(status).line, "OK: 2 services up, 5 backends serving, generation 42");

    status["problems"] = {"Backend portal/app-2 is down."};
    EXPECT_EQ(judge(status).result, CheckResult::kWarning);
    EXPECT_EQ(judge(status).line, "WARNING: Backend portal/app-2 is down.");

    status["services"]["up"] = 1;
    EXPECT_EQ(judge(status).result, CheckResult::kCritical);
    EXPECT_EQ(judge(status).line, "CRITICAL: 1 of 2 services up: Backend portal/app-2 is down.");

    status = good_status();
    status["engine"]["up"] = false;
    EXPECT_EQ(judge(status).result, CheckResult::kCritical);

    status = good_status();
    status["problems"] = {"Worker 1 stands still."};
    status["critical"] = status["problems"];
    EXPECT_EQ(judge(status).result, CheckResult::kCritical);
    EXPECT_EQ(judge(status).line, "CRITICAL: Worker 1 stands still.");
    EXPECT_FALSE(judge(status).may_pass);
    status["engine"]["state"] = "starting";
    EXPECT_TRUE(judge(status).may_pass);

    status = good_status();
    status["engine"]["workers"][0]["acknowledged"] = 41;
    EXPECT_EQ(judge(status).line, "WARNING: 1 worker behind generation 42");
    EXPECT_TRUE(judge(status).may_pass);
    status["problems"] = {"Backend portal/app-2 is down."};
    EXPECT_FALSE(judge(status).may_pass);

    status = good_status();
    status["config"]["last_reload_ok"] = false;
    status["config"]["last_reload_error"] = "f.toml:1:1: error: empty";
    EXPECT_EQ(judge(status).line, "WARNING: the last reload failed: f.toml:1:1: error: empty");
}

json backend() {
    return json::parse(R"({"service": "portal", "name": "app-1", "address": "10.0.4.1",
        "origin": "file", "weight": 3, "configured_weight": 10, "effective_weight": 3,
        "admin": "drain", "removing": false, "health": "up", "effective": "draining",
        "why": "admin: upgrade", "since": "2023-11-14T22:13:00Z",
        "link": {"port": "edge", "mac": "02:00:00:00:04:01"}, "link_problem": "",
        "index": 0, "forwarded_packets": 10, "forwarded_bytes": 4096, "new_flows": 5,
        "active_flows": 2, "overrides": [{"field": "admin", "value": "drain", "by": "root",
        "at": "2023-11-14T22:13:00Z", "reason": "upgrade"}]})");
}

TEST(BackendTable, ShowsEachStateAndWhy) {
    EXPECT_EQ(
        backend_table(json::array({backend()}), Look{}, kNow),
        "BACKEND       ADDRESS         WEIGHT  ADMIN  HEALTH  EFFECTIVE  FLOWS  NEW FLOWS  SINCE  "
        "WHY\n"
        "portal/app-1  10.0.4.1  3 (file: 10)  drain  up      draining       2          5    20s  "
        "admin: upgrade\n");
}

TEST(BackendPage, ShowsEverythingAboutOne) {
    EXPECT_EQ(backend_page(backend(), Look{}, kNow),
              "Backend    portal/app-1\n"
              "Address    10.0.4.1\n"
              "From       the file\n"
              "State      draining (admin drain, health up) for 20s\n"
              "Why        admin: upgrade\n"
              "Weight     3 (file: 10), effective 3\n"
              "Flows      2 now, 5 ever\n"
              "Forwarded  4.00 KiB in 10 packets\n"
              "Link       02:00:00:00:04:01 by port edge\n"
              "Override   admin = drain by root, 20s ago: upgrade\n");
    json lost = backend();
    lost["link"] = nullptr;
    lost["link_problem"] = "no neighbor 10.0.4.1 on edge";
    EXPECT_NE(backend_page(lost, Look{}, kNow).find("Link       no neighbor 10.0.4.1 on edge\n"),
              std::string::npos);
}

TEST(ServicePages, ShowStateAndDrops) {
    json service = json::parse(R"({"name": "portal", "vip": "203.0.113.10:443", "protocol": "tcp",
        "forwarding": "ipip", "hash": "source/24", "up": false, "fingerprint": "5f2a0001", "backends_total": 3,
        "backends_serving": 0, "received_packets": 9, "received_bytes": 900, "new_flows": 4,
        "active_flows": 1, "dropped": {"no_backend": 3, "malformed": 0}, "backends": []})");
    EXPECT_EQ(service_table(json::array({service}), Look{}),
              "NAME    VIP               PROTOCOL  FORWARDING  STATE  SERVING  FLOWS  NEW FLOWS  "
              "PACKETS  "
              "BYTES  DROPPED\n"
              "portal  203.0.113.10:443  tcp       ipip        DOWN       0/3      1          4    "
              "    9  "
              "900 B        3\n");
    EXPECT_EQ(service_page(service, Look{}, kNow),
              "Service   portal\n"
              "VIP       203.0.113.10:443 tcp, by ipip, hash source/24\n"
              "State     DOWN, 0/3 backends serving\n"
              "Received  900 B in 9 packets\n"
              "Flows     1 now, 4 ever\n"
              "Dropped   3 no_backend\n"
              "Ring      5f2a0001\n");
}

TEST(ServicePages, SaysWhoIsKeptAwayAndByWhatRate) {
    const json service = json::parse(R"({"name": "portal", "allow_prefixes": 2, "deny_prefixes": 9,
        "limits": {"packets": 1000, "new_flows_per_source": 7}})");
    const std::string page = service_page(service, Look{}, kNow);
    EXPECT_NE(page.find("prefixes: 2 allowed, 9 denied; other sources denied"), std::string::npos);
    EXPECT_NE(page.find("1000 packets a second"), std::string::npos);
    EXPECT_NE(page.find("7 new flows a second from one source"), std::string::npos);
}

TEST(ServicePages, SaysHowManyMustBeHealthyAndWhatIsDoneBelow) {
    json service = json::parse(R"({"name": "portal", "min_healthy": {"configured": "60%",
        "on_min_healthy": "fallback", "ready": 3, "healthy": 1, "least": 2, "below": true,
        "fallback": "10.9.9.9"}})");
    EXPECT_NE(service_page(service, Look{}, kNow)
                  .find("60% (fallback 10.9.9.9, now): 1 of 3 ready backends healthy, 2 asked for"),
              std::string::npos);
    service["min_healthy"]["below"] = false;
    service["min_healthy"]["fallback"] = nullptr;
    service["min_healthy"]["on_min_healthy"] = "fail-open";
    EXPECT_NE(service_page(service, Look{}, kNow).find("60% (fail-open): 1 of 3"),
              std::string::npos);
    service["min_healthy"] = nullptr;
    EXPECT_EQ(service_page(service, Look{}, kNow).find("Min healthy"), std::string::npos);
}

TEST(DropsPage, ShowsCountsAndThenWhatTheyMean) {
    const json drops = json::parse(R"({"engine_up": true, "service": null, "drops": [
        {"reason": "no_service", "where": "engine", "packets": 7, "sentence": "Nobody listens.",
         "services": {}, "ports": {}},
        {"reason": "no_backend", "where": "engine", "packets": 12, "sentence": "Nobody serves.",
         "services": {"api": 2, "portal": 10}, "ports": {}},
        {"reason": "too_big", "where": "engine", "packets": 0, "sentence": "Too large.",
         "services": {}, "ports": {}},
        {"reason": "no_socket", "where": "port", "packets": 1, "sentence": "No engine.",
         "services": {}, "ports": {"edge": 1}}]})");
    EXPECT_EQ(drops_page(drops, /*shows_all=*/false, Look{}),
              "REASON      PACKETS  WHERE   OF\n"
              "no_service        7  engine  -\n"
              "no_backend       12  engine  api 2, portal 10\n"
              "no_socket         1  port    edge 1\n"
              "\n"
              "no_service  Nobody listens.\n"
              "no_backend  Nobody serves.\n"
              "no_socket   No engine.\n");
    const std::string all = drops_page(drops, /*shows_all=*/true, Look{});
    EXPECT_NE(all.find("too_big           0  engine  -\n"), std::string::npos) << all;
    EXPECT_NE(all.find("too_big     Too large.\n"), std::string::npos) << all;
    EXPECT_EQ(drops_page(json::object(), true, Look{}), "Nothing was dropped.\n");
}

TEST(DropsPage, HasAColumnOfRatesOnceThereAreSome) {
    const json drops = json::parse(R"({"engine_up": true, "service": null, "drops": [
        {"reason": "no_service", "where": "engine", "packets": 7, "sentence": "Nobody listens.",
         "services": {}, "ports": {}, "per_second": 0.0},
        {"reason": "no_backend", "where": "engine", "packets": 1200, "sentence": "Nobody serves.",
         "services": {"api": 1200}, "ports": {}, "per_second": 99.6}]})");
    EXPECT_EQ(drops_page(drops, /*shows_all=*/false, Look{}),
              "REASON      PACKETS  PER SECOND  WHERE   OF\n"
              "no_service        7           -  engine  -\n"
              "no_backend     1200         100  engine  api 1200\n"
              "\n"
              "no_service  Nobody listens.\n"
              "no_backend  Nobody serves.\n");
}

TEST(TracePage, FollowsThePacket) {
    json trace = json::parse(R"({"engine_up": true, "verdict": "forward", "reason": null,
        "sentence": "Forwarded to the backend.", "hash": "00", "flows_problem": "",
        "packet": {"protocol": "tcp", "source": "198.51.100.7:40000",
                   "destination": "203.0.113.10:443", "flags": "S"},
        "service": {"name": "portal", "vip": "203.0.113.10:443", "protocol": "tcp",
                    "forwarding": "ipip"},
        "flows": [{"worker": 1, "state": "established", "backend": "app-1", "seconds_left": 90}],
        "ring": {"slot": 7, "entries": 251, "backend": null, "client": "198.51.100.0/24"}, "decided_by": "flow_table",
        "output": {"port": "edge", "destination_mac": "02:00:00:00:04:01", "bytes": 74,
                   "outer": {"source": "10.0.0.2", "destination": "10.0.4.1", "protocol": 4}}})");
    trace["backend"] = backend();
    EXPECT_EQ(trace_page(trace, Look{}),
              "Packet   tcp 198.51.100.7:40000 to 203.0.113.10:443, flags S\n"
              "Service  portal, 203.0.113.10:443 tcp, by ipip\n"
              "Flow     established at worker 1, with app-1, 1m30s left without another packet\n"
              "Ring     slot 7 of 251: (a backend that is gone), for all of 198.51.100.0/24\n"
              "Backend  portal/app-1 at 10.0.4.1, draining (admin drain, health up: admin: "
              "upgrade), by the flow table of worker 1\n"
              "Output   port edge, to 02:00:00:00:04:01, 74 bytes\n"
              "Tunnel   10.0.0.2 to 10.0.4.1, protocol 4\n"
              "Verdict  Forwarded to the backend.\n");
    const json dropped = json::parse(R"({"engine_up": false, "verdict": "drop", "flows": [],
        "reason": "no_service", "sentence": "Nobody listens.", "service": null, "ring": null,
        "packet": {"protocol": "udp", "source": "a", "destination": "b", "flags": null}})");
    EXPECT_EQ(trace_page(dropped, Look{}),
              "Packet   udp a to b\n"
              "Service  none\n"
              "Verdict  dropped: no_service. Nobody listens.\n"
              "Engine   not running: this is what it would do; until lbdp runs, packets for a VIP "
              "are dropped\n");
}

TEST(HealthTable, ShowsWhatTheCheckSaw) {
    const json checks = json::parse(R"([{"service": "portal", "backend": "app-1", "type": "http",
        "address": "10.0.4.1:443", "state": "down", "since": "2023-11-14T22:13:00Z",
        "result": "status 503", "duration_ms": 1.26, "lag_ms": 0, "passed": 5, "failed": 3}])");
    EXPECT_EQ(
        health_table(checks, Look{}, kNow),
        "BACKEND       TYPE  ADDRESS       STATE  SINCE    TOOK    LATE  PASSED  FAILED  RESULT\n"
        "portal/app-1  http  10.0.4.1:443  down     20s  1.3 ms  0.0 ms       5       3  status "
        "503\n");
}

TEST(Tones, EveryStateOfTheContractHasOne) {
    for (const char* good : {"ready", "up", "serving"}) {
        EXPECT_EQ(tone_of(good), Tone::kGood);
    }
    for (const char* bad : {"down", "out"}) {
        EXPECT_EQ(tone_of(bad), Tone::kBad);
    }
    for (const char* warning :
         {"drain", "draining", "removing", "rising", "falling", "maint", "unknown"}) {
        EXPECT_EQ(tone_of(warning), Tone::kWarning);
    }
    EXPECT_EQ(tone_of("unchecked"), Tone::kPlain);
}

}  // namespace
}  // namespace fairlead::cli
