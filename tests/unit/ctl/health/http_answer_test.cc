#include "ctl/health/http_answer.h"

#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead::health {
namespace {

using State = HttpAnswer::State;
using testing::HasSubstr;

struct Case {
    const char* bytes;
    unsigned status;  // 0: it is bad
};

// One piece, byte by byte, and in every pair of pieces: the same.
unsigned status_of(const std::string& bytes) {
    HttpAnswer whole;
    whole.take(bytes);
    HttpAnswer slow;
    for (const char byte : bytes) {
        slow.take({&byte, 1});
    }
    EXPECT_EQ(slow.state(), whole.state()) << bytes;
    EXPECT_EQ(slow.status(), whole.status()) << bytes;
    for (std::size_t cut = 0; cut <= bytes.size() && bytes.size() < 500; ++cut) {
        HttpAnswer twice;
        twice.take(std::string_view(bytes).substr(0, cut));
        twice.take(std::string_view(bytes).substr(cut));
        EXPECT_EQ(twice.state(), whole.state()) << bytes << " cut at " << cut;
    }
    EXPECT_NE(whole.state(), State::kMore) << bytes;
    EXPECT_EQ(whole.state() == State::kBad, !whole.problem().empty());
    return whole.state() == State::kDone ? whole.status() : 0;
}

TEST(HttpAnswer, IsReadAsClientsReadIt) {
    const std::vector<Case> cases = {
        {"HTTP/1.1 200 OK\r\n\r\n", 200},
        {"HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nbody", 404},
        {"HTTP/1.1 204\r\n\r\n", 204},
        {"HTTP/1.1 204 \r\n\r\n", 204},
        {"HTTP/1.1 200 OK\n\n", 200},
        {"HTTP/1.1 200 OK\nServer: x\r\n\n", 200},
        {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200},
        {"HTTP/1.1 100\n\nHTTP/1.1 100\n\nHTTP/1.1 102 P\n\nHTTP/1.1 503 No\n\n", 503},
        {"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101},
        {"HTTP/1.1 999 Odd\r\n\r\n", 999},
        {"HTTP/1.1 200 OK\r\nbad\xff\x01\r : \r\n\r\n", 200},  // no field is looked at
        {"HTTP/1.1 2000 OK\r\n\r\n", 0},
        {"HTTP/1.1 20 OK\r\n\r\n", 0},
        {"HTTP/1.1 099 OK\r\n\r\n", 0},
        {"HTTP/1.1  200 OK\r\n\r\n", 0},
        {"HTTP/1.1\t200 OK\r\n\r\n", 0},
        {"HTTP/2 200\r\n\r\n", 0},
        {"HTTP/1.x 200 OK\r\n\r\n", 0},
        {"http/1.1 200 OK\r\n\r\n", 0},
        {"ICY 200 OK\r\n\r\n", 0},
        {"\r\nHTTP/1.1 200 OK\r\n\r\n", 0},
        {"SSH-2.0-OpenSSH_9.2\r\n", 0},
        {"HTTP/1.1 103 Early\r\n\r\nSSH-2.0-OpenSSH_9.2\r\n", 0},
    };
    for (const Case& is : cases) {
        EXPECT_EQ(status_of(is.bytes), is.status) << is.bytes;
    }
}

TEST(HttpAnswer, WaitsForTheEndOfItsHeader) {
    HttpAnswer answer;
    EXPECT_EQ(answer.take("HTTP/1.1 200 OK\r\nServer: x\r\n\r"), State::kMore);
    EXPECT_EQ(answer.take("\n"), State::kDone);
    EXPECT_EQ(answer.take("SSH"), State::kDone) << "what comes behind it is not looked at";
    EXPECT_EQ(answer.status(), 200U);
}

TEST(HttpAnswer, HasAHeaderOfUpTo32KiB) {
    const auto answer_of = [](std::size_t bytes) {
        const std::string frame = "HTTP/1.1 200 OK\r\nX: \r\n\r\n";
        std::string text = "HTTP/1.1 200 OK\r\nX: ";
        text += std::string(bytes - frame.size(), 'x');
        return text + "\r\n\r\n";
    };
    EXPECT_EQ(status_of(answer_of(HttpAnswer::kMaxHeaderBytes)), 200U);
    HttpAnswer too_long;
    EXPECT_EQ(too_long.take(answer_of(HttpAnswer::kMaxHeaderBytes + 1)), State::kBad);
    EXPECT_THAT(too_long.problem(), HasSubstr("more than 32768 bytes"));
    HttpAnswer endless;
    while (endless.take("HTTP/1.1 100 Continue\r\n\r\n") == State::kMore) {
    }
    EXPECT_THAT(endless.problem(), HasSubstr("more than 32768 bytes"));
}

TEST(HttpAnswer, SaysWhatItIsInstead) {
    HttpAnswer ssh;
    ssh.take("SSH-2.0-OpenSSH_9.2\r\n");
    EXPECT_EQ(ssh.problem(),
              "it begins with \"SSH-2.0-OpenSSH_9.2\", expected \"HTTP/1.1 200\" or the like");
    HttpAnswer binary;
    EXPECT_EQ(binary.take(std::string(100, '\x16')), State::kBad) << "without an end of line";
    EXPECT_THAT(binary.problem(), HasSubstr("\"" + std::string(48, '?') + "\""));
}

TEST(HttpAnswer, OfAnyBytesHasOneMeaningInWhateverPiecesTheyCome) {
    std::mt19937 random(42);
    const std::string seeds[] = {
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 503\nRetry-After: 9\n\nbody",
        "HTTP/1.1 100 \r\n\r\n\r\n"};
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes = seeds[random() % std::size(seeds)];
        for (unsigned change = random() % 4; change > 0; --change) {
            const std::size_t place = random() % bytes.size();
            constexpr std::string_view kLikely = "\r\n 10HTP/.\xff";
            const char byte = kLikely[random() % kLikely.size()];
            if (random() % 2 == 0) {
                bytes[place] = byte;
            } else {
                bytes.insert(place, 1, byte);
            }
        }
        HttpAnswer whole;
        whole.take(bytes);
        HttpAnswer pieces;
        for (std::string_view left = bytes; !left.empty();) {
            const std::size_t size = 1 + random() % left.size();
            pieces.take(left.substr(0, size));
            left.remove_prefix(size);
        }
        ASSERT_EQ(pieces.state(), whole.state()) << bytes;
        ASSERT_EQ(pieces.problem(), whole.problem()) << bytes;
        if (whole.state() == State::kDone) {
            ASSERT_EQ(pieces.status(), whole.status()) << bytes;
            ASSERT_TRUE(whole.status() == 101 || (whole.status() >= 200 && whole.status() <= 999));
        }
    }
}

}  // namespace
}  // namespace fairlead::health
