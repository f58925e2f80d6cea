// An exported model in plain OpenVINO, from a clip to its best labels; no video library is needed.
//
//     classify MODEL.xml CLIP LABELS.txt [MEAN,MEAN,MEAN STD,STD,STD]
//
// CLIP is one of two kinds of raw file, told apart by whether mean and deviation are given:
//   without them, float32 numbers exactly as the network takes them;
//   with them, frames at the size of the network, T x H x W x 3 bytes in the model's colour order.
//     Mean and deviation are for bytes: those of the spec times 255 where its range is 0 to 1.
//
// Frames as bytes can be written with FFmpeg, for 16 frames of 128 x 96, every second of 25 a second:
//     ffmpeg -i VIDEO -vf fps=12.5,scale=128:96 -frames:v 16 -pix_fmt rgb24 -f rawvideo CLIP
//
// Prints a line a label, best first: score, logit, label.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <openvino/core/preprocess/pre_post_process.hpp>
#include <openvino/runtime/core.hpp>
#include <openvino/runtime/properties.hpp>

namespace {

std::vector<float> numbers(const std::string& text) {
    std::vector<float> values;
    std::istringstream words(text);
    for (std::string word; std::getline(words, word, ',');) values.push_back(std::stof(word));
    return values;
}

std::vector<std::string> lines(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot open " + path);
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);) all.push_back(line);
    return all;
}

void fill(ov::Tensor& tensor, const std::string& path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) throw std::runtime_error("cannot open " + path);
    const size_t size = static_cast<size_t>(file.tellg());
    if (size != tensor.get_byte_size())
        throw std::runtime_error(path + " has " + std::to_string(size) + " bytes, the network takes " +
                                 std::to_string(tensor.get_byte_size()));
    file.seekg(0);
    file.read(static_cast<char*>(tensor.data()), static_cast<std::streamsize>(size));
}

// Let the network take bytes, frames one after the other, and normalise them itself.
std::shared_ptr<ov::Model> taking_bytes(std::shared_ptr<ov::Model> network,
                                        const std::vector<float>& mean,
                                        const std::vector<float>& deviation) {
    ov::preprocess::PrePostProcessor steps(network);
    steps.input().tensor().set_element_type(ov::element::u8).set_layout("NDHWC");
    steps.input().model().set_layout("NCDHW");
    steps.input()
        .preprocess()
        .convert_element_type(ov::element::f32)
        .mean(mean)
        .scale(deviation);
    return steps.build();
}

void classify(const std::vector<std::string>& words) {
    ov::Core core;
    std::shared_ptr<ov::Model> network = core.read_model(words[0]);
    ov::PartialShape shape = network->input().get_partial_shape();
    shape[0] = 1;  // the batch is free in the file
    network->reshape(shape);
    if (words.size() > 3) network = taking_bytes(network, numbers(words[3]), numbers(words[4]));

    // Without the hint, processors that know 16-bit numbers compute with them: less exact.
    ov::CompiledModel compiled = core.compile_model(
        network, "CPU", ov::hint::inference_precision(ov::element::f32));
    ov::InferRequest request = compiled.create_infer_request();
    ov::Tensor clip = request.get_input_tensor();
    fill(clip, words[1]);
    request.infer();

    const ov::Tensor output = request.get_output_tensor();
    const float* logits = output.data<const float>();
    const std::vector<std::string> labels = lines(words[2]);
    if (labels.size() != output.get_size())
        throw std::runtime_error(words[2] + " has " + std::to_string(labels.size()) +
                                 " labels, the network " + std::to_string(output.get_size()));

    std::vector<size_t> order(labels.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return logits[a] > logits[b]; });
    const float largest = logits[order[0]];
    double sum = 0;
    for (size_t index : order) sum += std::exp(logits[index] - largest);
    for (size_t index : order)
        std::printf("%.4f  %.7g  %s\n", std::exp(logits[index] - largest) / sum, logits[index],
                    labels[index].c_str());
}

}  // namespace

int main(int count, char** arguments) {
    const std::vector<std::string> words(arguments + 1, arguments + count);
    if (words.size() != 3 && words.size() != 5) {
        std::cerr << "classify MODEL.xml CLIP LABELS.txt [MEAN,MEAN,MEAN STD,STD,STD]\n";
        return 2;
    }
    try {
        classify(words);
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
